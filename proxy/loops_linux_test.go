package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// hangingUp is an engine on loops that closes what it is given.
type hangingUp struct {
	holding
	loops *Loops
}

func (h *hangingUp) Loops() *Loops { return h.loops }

func (h *hangingUp) ServeOn(a *loop.Acceptor, _ *loop.Loop, fd int, _ Arrival) {
	unix.Close(fd)
	a.Done()
}

func onTwoLoops(t *testing.T) *hangingUp {
	t.Helper()
	loops, err := NewLoops(2, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { loops.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &hangingUp{loops: loops}
}

// Whoever comes next at the path has it for good: it is not removed once
// somebody else may listen there.
func TestAUnixSocketsPathIsFreeBeforeItsSocketIs(t *testing.T) {
	e := onTwoLoops(t)
	path := filepath.Join(t.TempDir(), "s")
	l := &Listener{Addr: "unix:" + path, Engine: e}
	stop := serve(t, l)
	testkit.Eventually(t, func() bool { return l.entry.(*onLoops).acceptor() != nil })
	held := make(chan bool)
	release := sync.OnceFunc(func() { close(held) })
	defer release()
	for _, loop := range e.loops.All() {
		loop.Post(func() { <-held }) // so that no socket is closed
	}
	closed := make(chan bool)
	go func() { l.Close(); close(closed) }()
	testkit.Eventually(t, func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
	next, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	release()
	<-closed
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the next one's path is gone: %v", err)
	}
}

func TestClosingAUnixSocketWhosePathIsGoneIsNoError(t *testing.T) {
	e := onTwoLoops(t)
	path := filepath.Join(t.TempDir(), "s")
	l := &Listener{Addr: "unix:" + path, Engine: e}
	if err := l.Listen(); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
