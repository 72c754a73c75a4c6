//go:build linux

package loop_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// listening is a non-blocking socket that listens, and its address.
func listening(t *testing.T) (int, *unix.SockaddrInet4) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(fd, 128))
	sa, err := unix.Getsockname(fd)
	must(t, err)
	return fd, sa.(*unix.SockaddrInet4)
}

func acceptOn(t *testing.T, o loop.AcceptOptions) (*loop.Acceptor, *unix.SockaddrInet4) {
	t.Helper()
	fd, sa := listening(t)
	a := runLoops(t, 1).Accept([]int{fd}, o)
	t.Cleanup(a.Close)
	return a, sa
}

func serveOne(t *testing.T) func(*loop.Acceptor, *loop.Loop, int, netip.AddrPort) {
	return func(a *loop.Acceptor, l *loop.Loop, fd int, _ netip.AddrPort) {
		e := &echo{acceptor: a, t: t}
		l.Attach(&e.Conn, fd, e)
		e.Ready()
	}
}

// The clients' sockets exist already, for they are this process's, too.
func TestAcceptingGoesOnWhenThereAreDescriptorsAgain(t *testing.T) {
	failed := make(chan error, 1000)
	began := time.Now()
	var tried atomic.Int64
	_, addr := acceptOn(t, loop.AcceptOptions{Serve: serveOne(t), Failed: func(err error, retry time.Duration) {
		if retry < 5*time.Millisecond || retry > time.Second {
			t.Errorf("retry after %v", retry)
		}
		if n := tried.Add(1); time.Duration(n-1)*5*time.Millisecond > time.Since(began) {
			t.Errorf("it tried %d times in %v", n, time.Since(began))
		}
		failed <- err
	}})
	var clients [5]int
	for i := range clients {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		clients[i] = fd
	}
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}))
	for _, fd := range clients {
		if err := unix.Connect(fd, addr); err != nil {
			t.Error(err)
		}
	}
	for !errors.Is(<-failed, syscall.EMFILE) {
	}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	for _, fd := range clients {
		say(t, fd, "x")
		hear(t, fd, 1)
	}
}

func TestAPanicInServeClosesNoDoor(t *testing.T) {
	var served atomic.Int32
	serve := serveOne(t)
	a, addr := acceptOn(t, loop.AcceptOptions{Serve: func(a *loop.Acceptor, l *loop.Loop, fd int, p netip.AddrPort) {
		switch served.Add(1) {
		case 1:
			panic("before it is attached")
		case 2:
			e := &echo{acceptor: a, t: t}
			l.Attach(&e.Conn, fd, e)
			panic("after")
		case 3:
			e := &echo{acceptor: a, t: t}
			l.Attach(&e.Conn, fd, e)
			e.Abort()
			a.Done()
			panic("after it has ended")
		}
		serve(a, l, fd, p)
	}})
	for i := range 4 {
		c, err := net.Dial("tcp", (&net.TCPAddr{IP: addr.Addr[:], Port: addr.Port}).String())
		if err != nil && i < 3 {
			continue // so early was it closed
		}
		must(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "x")
		if n, err := c.Read(make([]byte, 1)); (err == nil) != (i == 3) {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
	testkit.Eventually(t, func() bool { return a.Active() == 1 })
}

// A connection that the kernel has said yes to is served, although nobody has
// taken it yet.
func TestClosingTakesThoseThatWait(t *testing.T) {
	fd, sa := listening(t)
	addr := (&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}).String()
	var clients []net.Conn
	for range 50 { // more than are taken in a turn
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		clients = append(clients, c)
	}
	loops := runLoops(t, 1)
	loops.All()[0].Post(func() {}) // it runs
	a := loops.Accept([]int{fd}, loop.AcceptOptions{Serve: serveOne(t)})
	a.Close()
	for _, c := range clients {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "x")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	a.Wait()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("still open")
	}
}

func TestManyLoopsShareOneSocket(t *testing.T) {
	fd, sa := listening(t)
	loops := runLoops(t, 3)
	a := loops.Accept([]int{fd}, loop.AcceptOptions{Serve: serveOne(t), Max: 4})
	defer a.Close()
	addr := (&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}).String()
	var clients [40]net.Conn
	for i := range clients {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
		io.WriteString(c, "x")
		clients[i] = c
	}
	for _, c := range clients { // the order of the queue
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// Each who is served brings the next one, as many clients do together that never
// wait for each other.
func TestClosingEndsHoweverManyCome(t *testing.T) {
	fd, sa := listening(t)
	served := 0
	a := runLoops(t, 1).Accept([]int{fd}, loop.AcceptOptions{Serve: func(a *loop.Acceptor, _ *loop.Loop, fd int, _ netip.AddrPort) {
		unix.Close(fd)
		defer a.Done()
		if served++; served > 1<<16 {
			return
		}
		next, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			_ = unix.Connect(next, sa)
			unix.Close(next)
		}
	}})
	c, err := net.Dial("tcp", (&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}).String())
	must(t, err)
	defer c.Close()
	a.Close()
	a.Wait()
	if served > 1<<16 {
		t.Errorf("it served %d before it closed", served)
	}
}
