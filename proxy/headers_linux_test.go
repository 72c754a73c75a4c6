package proxy

import (
	"net"
	"os"
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// tellingOnLoops tells what the loop has told it.
type tellingOnLoops struct {
	telling
	*hangingUp
}

func init() {
	tellers["loop"] = func(t *testing.T) Engine { return &tellingOnLoops{hangingUp: onTwoLoops(t)} }
}

func (e *tellingOnLoops) ServeConn(net.Conn) { panic("not on a loop") }
func (e *tellingOnLoops) Drain()             {}
func (e *tellingOnLoops) Abort()             { e.telling.Abort() }

// ServeOn leaves the loop: that is easier to read, and not what this is about.
func (e *tellingOnLoops) ServeOn(a *loop.Acceptor, _ *loop.Loop, fd int, from Arrival) {
	f := os.NewFile(uintptr(fd), "client")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		a.Done()
		return
	}
	go func() {
		defer a.Done()
		e.tell(c, from.Peer, from.Local)
	}()
}
