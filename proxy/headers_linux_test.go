package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
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

// A fuse panics at every line about a header.
type fuse struct{ slog.Handler }

func (fuse) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "header") {
		panic("blown")
	}
	return nil
}

func (f fuse) WithAttrs([]slog.Attr) slog.Handler { return f }

func TestAPanicWhileAHeaderIsReadEndsItsConnection(t *testing.T) {
	l := &Listener{
		Addr: "127.0.0.1:0", Engine: tellers["loop"](t), DrainTimeout: 10 * time.Second,
		Log: slog.New(fuse{slog.NewTextHandler(io.Discard, nil)}),
	}
	l.SetProxyHeaders(fromHere)
	stop := serve(t, l)
	for _, pieces := range [][]string{{"no header"}, {"PRO", "no header"}} {
		c := dial(t, l)
		for i, p := range pieces {
			if i > 0 {
				testkit.Eventually(t, func() bool { return l.Active() == 1 })
			}
			io.WriteString(c, p)
		}
		(&greeted{T: t}).wantReset(c)
		testkit.Eventually(t, func() bool { return l.Active() == 0 })
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
