//go:build linux

package loop_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

var buffers = netio.NewPool(4096)

// echo is a connection whose bytes go back.
type echo struct {
	loop.Conn
	acceptor *loop.Acceptor
	t        *testing.T
	busy     bool
}

func (e *echo) Ready() {
	if !e.busy {
		e.busy = true
		e.Loop().Go(e)
	}
}

func (e *echo) Run() {
	defer e.acceptor.Done()
	defer e.Close()
	for {
		b, err := e.Receive(buffers)
		if err != nil {
			return
		}
		if b.B[0] == '!' {
			b.Free()
			panic("as you wish")
		}
		_, err = e.Write(b.B)
		b.Free()
		if err != nil {
			return
		}
	}
}

func (e *echo) Panicked(value any, _ []byte) { e.t.Log("panic:", value) }

// serveEcho runs n loops that echo, until the test ends.
func serveEcho(t *testing.T, n int, limit int64) (addr string, a *loop.Acceptor) {
	t.Helper()
	return serve(t, n, limit, func(a *loop.Acceptor, l *loop.Loop, fd int, _ netip.AddrPort) {
		e := &echo{acceptor: a, t: t}
		l.Attach(&e.Conn, fd, e)
		e.Ready()
	})
}

// serve runs n loops whose connections are f's, until the test ends.
func serve(t *testing.T, n int, limit int64, f func(*loop.Acceptor, *loop.Loop, int, netip.AddrPort)) (addr string, a *loop.Acceptor) {
	t.Helper()
	t.Cleanup(func() { a.Wait() }) // after the loops
	loops := runLoops(t, n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr = l.Addr().String()
	raw, err := l.(*net.TCPListener).SyscallConn()
	must(t, err)
	var fd int
	raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	must(t, err)
	l.Close()
	a = loops.Accept([]int{fd}, loop.AcceptOptions{
		Max:   limit,
		Serve: f,
	})
	t.Cleanup(a.Close)
	return addr, a
}

// runLoops runs n loops until the test ends.
func runLoops(t *testing.T, n int) *loop.Loops {
	t.Helper()
	loops, err := loop.New(n, nil)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { loops.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return loops
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyTalkAtOnce(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " loops"), func(t *testing.T) {
			addr, _ := serveEcho(t, n, 0)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					for j := range 20 {
						msg := fmt.Sprintf("%d:%d", i, j)
						io.WriteString(c, msg)
						got := make([]byte, len(msg))
						c.SetDeadline(time.Now().Add(5 * time.Second))
						if _, err := io.ReadFull(c, got); err != nil || string(got) != msg {
							t.Errorf("sent %q, got %q, %v", msg, got, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAPanicEndsOneConnection(t *testing.T) {
	addr, _ := serveEcho(t, 1, 0)
	other, err := net.Dial("tcp", addr)
	must(t, err)
	defer other.Close()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	io.WriteString(c, "!")
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatalf("read %d bytes", n)
	}
	io.WriteString(other, "x")
	other.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := other.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("the other got %d, %v", n, err)
	}
}

func TestNoMoreConnectionsThanAllowed(t *testing.T) {
	const loops, most = 2, 2
	addr, a := serveEcho(t, loops, most)
	var conns []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		io.WriteString(c, "x")
		conns = append(conns, c)
	}
	for _, c := range conns {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if n := a.Active(); n > most+loops { // each loop may have counted one that is about to be refused
			t.Fatalf("%d connections", n)
		}
		c.Close()
	}
}
