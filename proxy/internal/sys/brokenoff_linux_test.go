package sys

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAnEndIsToldFromAResetThatWasToldBefore reads the end of a connection in all the ways in which its peer can leave.
func TestAnEndIsToldFromAResetThatWasToldBefore(t *testing.T) {
	swallow := func(_ net.Conn, fd int) {
		until(t, func() bool { return Poll(fd, 0)&unix.POLLERR != 0 })
		if errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != int(unix.ECONNRESET) {
			t.Errorf("error %d, %v", errno, err)
		}
	}
	for _, test := range []struct {
		name  string
		leave func(*net.TCPConn)
		then  func(near net.Conn, fd int)
		want  bool
	}{
		{"an end", func(c *net.TCPConn) { c.CloseWrite() }, func(net.Conn, int) {}, false},
		{"an end on both sides", func(c *net.TCPConn) { c.Close() }, func(near net.Conn, fd int) {
			near.(*net.TCPConn).CloseWrite()
			until(t, func() bool { return Poll(fd, 0)&unix.POLLHUP != 0 })
		}, false},
		{"an end, and what came later was refused", func(c *net.TCPConn) { c.Close() }, func(near net.Conn, _ int) {
			until(t, func() bool { _, err := near.Write([]byte("x")); return err != nil })
		}, false},
		{"a reset", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, swallow, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := tcpPair(t)
			raw, err := near.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := far.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(near, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			test.leave(far)
			if err := raw.Control(func(fd uintptr) { test.then(near, int(fd)) }); err != nil {
				t.Fatal(err)
			}
			if n, err := near.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Fatalf("read %d, %v; want an end", n, err)
			}
			raw.Control(func(fd uintptr) {
				if got := BrokenOff(int(fd), 5); got != test.want {
					t.Errorf("broken off: %v", got)
				}
			})
		})
	}
}

func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
