//go:build linux

package loop_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// answerOnce accepts one connection and echoes it.
func answerOnce(t *testing.T, network, addr string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestDialReachesWhateverListens(t *testing.T) {
	s := newStage(t)
	_, port, _ := net.SplitHostPort(answerOnce(t, "tcp", "127.0.0.1:0"))
	for _, addr := range []string{
		answerOnce(t, "tcp", "127.0.0.1:0"),
		"unix:" + answerOnce(t, "unix", filepath.Join(t.TempDir(), "s")),
		"localhost:" + port,
	} {
		s.task(func() {
			var c loop.Conn
			if err := s.Dial(&c, addr, 10*time.Second, nil); err != nil {
				t.Errorf("%s: %v", addr, err)
				return
			}
			defer c.Close()
			c.Write([]byte("hello"))
			got := make([]byte, 5)
			for n := 0; n < len(got); {
				k, err := c.Read(got[n:])
				if err != nil {
					t.Errorf("%s: %v", addr, err)
					return
				}
				n += k
			}
			if string(got) != "hello" {
				t.Errorf("%s: %q", addr, got)
			}
		})
	}
}

func TestDialKeepsTheCauseOfFailure(t *testing.T) {
	s := newStage(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	mine, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer mine.Close() // so nobody else listens where it comes from
	s.task(func() {
		var c loop.Conn
		err := s.Dial(&c, mine.LocalAddr().String(), time.Minute, nil)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error %v, want ECONNREFUSED", err)
		}
		err = s.Dial(&c, "unix:"+filepath.Join(t.TempDir(), "nobody"), 0, nil)
		if !errors.Is(err, syscall.ENOENT) {
			t.Errorf("error %v, want ENOENT", err)
		}
		err = s.Dial(&c, "no port", 0, nil)
		if err == nil || !strings.Contains(err.Error(), "missing port") {
			t.Errorf("error %v, want one about the port", err)
		}
		if !c.Gone() {
			t.Error("what was not connected is open")
		}
	})
}

// silent is an address that neither accepts nor refuses: its queue is full.
func silent(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, unix.Listen(fd, 0))
	sa, err := unix.Getsockname(fd)
	must(t, err)
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}).String()
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this kernel queues connections without end")
	return ""
}

func TestDialGivesUpInTimeOrWhenItIsTold(t *testing.T) {
	s := newStage(t)
	addr := silent(t)
	s.task(func() {
		var c loop.Conn
		if err := s.Dial(&c, addr, 20*time.Millisecond, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("timeout: %v", err)
		}
	})
	for name, stop := range map[string]func(*loop.Conn){
		"interrupt": (*loop.Conn).Interrupt,
		"close":     func(c *loop.Conn) { c.Close() },
	} {
		var c loop.Conn
		var err error
		dial := s.start(func() { err = s.Dial(&c, addr, time.Hour, nil) })
		s.do(func() { stop(&c) })
		<-dial.done
		if err == nil || !c.Gone() {
			t.Errorf("%s: %v", name, err)
		}
	}
	var err error
	var c loop.Conn
	dial := s.start(func() { err = s.Dial(&c, addr, time.Hour, nil) })
	s.end()
	<-dial.done
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("at the loop's end: %v", err)
	}
}

// A resolver can be slow, so it is asked elsewhere; that must not make the wait
// for it deaf. Whichever comes first, the answer or the interrupt, the dial ends.
func TestDialOfANameCanBeInterrupted(t *testing.T) {
	s := newStage(t)
	_, port, _ := net.SplitHostPort(silent(t))
	for _, stop := range []func(*loop.Conn){
		(*loop.Conn).Interrupt,
		func(c *loop.Conn) { c.Close() },
	} {
		var c loop.Conn
		var err error
		dial := s.start(func() { err = s.Dial(&c, "localhost:"+port, time.Hour, nil) })
		s.do(func() { stop(&c) })
		<-dial.done
		if err == nil {
			t.Error("connected to one that is silent")
		}
	}
	var c loop.Conn
	dial := s.start(func() { s.Dial(&c, "localhost:"+port, time.Hour, nil) })
	s.end()
	<-dial.done
}

func TestAnInterruptIsOneFromTheLoopsFirstMomentOn(t *testing.T) {
	addr := answerOnce(t, "tcp", "127.0.0.1:0")
	s := newStage(t)
	s.task(func() {
		var c loop.Conn
		if err := s.Dial(&c, addr, time.Minute, nil); err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		c.Interrupt()
		if _, err := c.Write([]byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a write after an interrupt: %v", err)
		}
	})
}

// Where nobody listens at a port that the kernel may give to whoever connects, one that
// connects there is given this very port one day, and meets itself. Then nobody could
// listen there again.
func TestADialDoesNotMeetItself(t *testing.T) {
	s := newStage(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	mine, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer mine.Close() // so nobody else listens where it comes from
	addr := mine.LocalAddr().String()
	s.task(func() {
		for range 20_000 { // there are 14,000 such ports
			var c loop.Conn
			if err := s.Dial(&c, addr, time.Minute, nil); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("from %v to %s: %v, want ECONNREFUSED", c.Local(), addr, err)
				c.Abort()
				return
			}
		}
	})
}

func TestADialThatDoesNotWaitDoesNotMeetItselfEither(t *testing.T) {
	s := newStage(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := unix.Getsockname(fd)
	must(t, err)
	must(t, unix.Connect(fd, at))
	must(t, unix.SetNonblock(fd, true))
	s.do(func() {
		var c loop.Conn
		s.Attach(&c, fd, nil)
		if ok, err := c.Connected(); ok || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connected: %v, %v, want ECONNREFUSED", ok, err)
		}
		if !c.Gone() {
			t.Error("it keeps the port")
		}
	})
}
