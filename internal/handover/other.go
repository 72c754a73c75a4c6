//go:build !unix

package handover

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
)

// A Successor is a process that is to take this one's place, which there cannot be
// here.
type Successor struct{}

// Start fails with errors.ErrUnsupported: sockets cannot be passed to another process.
func Start(*exec.Cmd, []Socket, any) (*Successor, error) {
	return nil, fmt.Errorf("%s cannot pass listening sockets to another process: %w", runtime.GOOS, errors.ErrUnsupported)
}

// PID is 0.
func (*Successor) PID() int { return 0 }

// Prepared fails.
func (*Successor) Prepared(context.Context) error { return errors.ErrUnsupported }

// Commit fails.
func (*Successor) Commit(context.Context, any) error { return errors.ErrUnsupported }

// An Heir is this process, as the successor of another.
type Heir struct{ Sockets []Socket }

// Inherit returns nil: nobody can have started this process as a successor.
func Inherit() (*Heir, error) { return nil, nil }

// Known fails.
func (*Heir) Known(any) error { return errors.ErrUnsupported }

// Prepared fails.
func (*Heir) Prepared(context.Context, any) error { return errors.ErrUnsupported }

// Serving fails.
func (*Heir) Serving() error { return errors.ErrUnsupported }

// Fail does nothing.
func (*Heir) Fail(error) {}
