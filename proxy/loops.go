package proxy

import (
	"log/slog"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// Loops are event loops that engines serve their connections on: one goroutine
// for each loop, none for a connection. Run runs them until its context ends,
// which is to be after every listener has ended.
type Loops = loop.Loops

// NewLoops returns n loops; 0: as many as there are cores to run on (GOMAXPROCS).
// log is told of panics in the handling of a connection, which end that
// connection only. Where the platform has no event loops the error is
// errors.ErrUnsupported; engines then serve with goroutines.
func NewLoops(n int, log *slog.Logger) (*Loops, error) {
	return loop.New(n, func(value any, stack []byte) {
		log.Error("panic: connection closed", "panic", value, "stack", string(stack))
	})
}
