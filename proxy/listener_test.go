package proxy

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// holding is an engine that keeps connections until the peer leaves or Abort.
type holding struct {
	mu      sync.Mutex
	conns   map[net.Conn]bool
	drained bool
}

func (h *holding) ServeConn(c net.Conn) {
	h.mu.Lock()
	h.conns[c] = true
	h.mu.Unlock()
	io.Copy(io.Discard, c)
	c.Close()
}

func (h *holding) Drain() { h.mu.Lock(); h.drained = true; h.mu.Unlock() }

func (h *holding) Abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.Close()
	}
}

// serve runs a listener and returns what stops it and waits.
func serve(t *testing.T, l *Listener) (stop func() error) {
	t.Helper()
	if l.Log == nil {
		l.Log = testkit.Logger(new(testkit.Buffer))
	}
	if err := l.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	return func() error { cancel(); return <-done }
}

func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.LocalAddr().Network(), l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDrainWaitsForConnectionsAndThenCutsThem(t *testing.T) {
	e := &holding{conns: make(map[net.Conn]bool)}
	l := &Listener{Addr: "127.0.0.1:0", Engine: e, DrainTimeout: 50 * time.Millisecond}
	stop := serve(t, l)
	c := dial(t, l)
	testkit.Eventually(t, func() bool { return l.Active() == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the drain")
	}
	if !e.drained || l.Active() != 0 {
		t.Errorf("drained %v, %d active", e.drained, l.Active())
	}
}

func TestAListenerNeedsNoLog(t *testing.T) {
	e := &holding{conns: make(map[net.Conn]bool)}
	l := &Listener{Addr: "127.0.0.1:0", Engine: e}
	if err := l.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Serve(ctx) }()
	dial(t, l)
	testkit.Eventually(t, func() bool { return l.Active() == 1 })
	cancel() // and has a word to say about who is cut
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMaxConnectionsMakesOthersWait(t *testing.T) {
	e := &holding{conns: make(map[net.Conn]bool)}
	l := &Listener{Addr: "127.0.0.1:0", Engine: e, MaxConnections: 2, DrainTimeout: time.Second}
	stop := serve(t, l)
	conns := []net.Conn{dial(t, l), dial(t, l), dial(t, l)}
	testkit.Eventually(t, func() bool { return l.Active() == 2 })
	time.Sleep(20 * time.Millisecond)
	if n := l.Active(); n != 2 {
		t.Errorf("%d are served at once, want 2", n)
	}
	conns[0].Close()
	conns[1].Close()
	testkit.Eventually(t, func() bool { return l.Active() == 1 })
	conns[2].Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestUnixSocketOfACrashedProcessIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()

	e := &holding{conns: make(map[net.Conn]bool)}
	l := &Listener{Addr: "unix:" + path, Engine: e}
	stop := serve(t, l)
	dial(t, l).Close()
	if err := (&Listener{Name: "second", Addr: "unix:" + path}).Listen(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket in use was taken: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}

	file := filepath.Join(dir, "precious")
	os.WriteFile(file, []byte("x"), 0o600)
	if err := (&Listener{Addr: "unix:" + file}).Listen(); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, _ := os.ReadFile(file); string(b) != "x" {
		t.Error("a file was removed")
	}
}
