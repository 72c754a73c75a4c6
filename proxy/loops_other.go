//go:build !linux

package proxy

import "errors"

// A LoopEngine is an engine whose connections can live on event loops, which
// this platform does not have.
type LoopEngine interface {
	Engine
	Loops() *Loops
}

func openLoops(*Listener, LoopEngine) (entry, error) { return nil, errors.ErrUnsupported }
