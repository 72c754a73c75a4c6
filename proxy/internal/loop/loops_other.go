//go:build !linux

package loop

import (
	"context"
	"errors"
)

// Loops is event loops; this platform has none.
type Loops struct{}

// New returns errors.ErrUnsupported.
func New(int, func(value any, stack []byte)) (*Loops, error) {
	return nil, errors.ErrUnsupported
}

// Run returns at once.
func (*Loops) Run(context.Context) error { return nil }

// Turn reports true: nobody is stuck.
func (*Loops) Turn(context.Context) bool { return true }
