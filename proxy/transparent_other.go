//go:build !linux

package proxy

import (
	"errors"
	"fmt"
)

// CanBeTransparent reports whether sockets of this process may have addresses that
// are not this machine's. Only Linux's can.
func CanBeTransparent() error { return fmt.Errorf("needs Linux: %w", errors.ErrUnsupported) }
