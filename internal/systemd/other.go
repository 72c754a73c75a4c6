//go:build !linux

package systemd

import (
	"time"

	"github.com/spillway-lb/spillway/internal/handover"
)

// Sockets returns none: there is no systemd here.
func Sockets() ([]handover.Socket, error) { return nil, nil }

func monotonic() time.Duration { return 0 }
