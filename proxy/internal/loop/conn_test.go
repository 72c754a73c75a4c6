//go:build linux

package loop_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

func TestAnIdleConnectionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(loop.Conn{}); size > 128 {
		t.Errorf("%d bytes", size)
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v, want a deadline that has passed", err)
	}
}

func TestDeadlinesEndReadingAndWriting(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	s.task(func() {
		p := make([]byte, 1)
		c.ReadBy(s.Now().Add(20 * time.Millisecond))
		_, err := c.Read(p)
		wantTimeout(t, err)
		_, err = c.Read(p) // it lasts
		wantTimeout(t, err)
		c.ReadBy(time.Time{})
		say(t, far, "x")
		if n, err := c.Read(p); n != 1 || err != nil {
			t.Errorf("without a deadline: %d, %v", n, err)
		}
		c.WriteBy(s.Now().Add(20 * time.Millisecond))
		n, err := c.WriteBuffers(make([]byte, 4<<20), make([]byte, 4<<20))
		wantTimeout(t, err)
		if !netio.WriteFailed(err) || n != c.Sent() || n == 0 {
			t.Errorf("wrote %d, counted %d, %v", n, c.Sent(), err)
		}
	})
}

func TestADeadlineCanBeMoved(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	var err error
	first := time.Now()
	reader := s.start(func() {
		c.ReadBy(s.Now().Add(time.Hour))
		_, err = c.Read(make([]byte, 1))
	})
	s.do(func() { c.ReadBy(first.Add(time.Millisecond)) }) // earlier
	<-reader.done
	wantTimeout(t, err)

	reader = s.start(func() {
		early := s.Now().Add(20 * time.Millisecond)
		c.ReadBy(early)
		c.ReadBy(s.Now().Add(time.Hour))
		s.Post(func() {
			s.Go(&work{done: make(chan struct{}), f: func() {
				s.Sleep(60 * time.Millisecond) // beyond the early one
				say(t, far, "x")
			}})
		})
		_, err = c.Read(make([]byte, 1))
	})
	<-reader.done
	if err != nil {
		t.Errorf("moved to later: %v", err)
	}
}

func TestAHandlerIsToldOfItsDeadline(t *testing.T) {
	s := newStage(t)
	for name, set := range map[string]func(*loop.Conn){
		"before": func(c *loop.Conn) { c.ReadBy(s.Now().Add(time.Millisecond)); c.Watch() },
		"after":  func(c *loop.Conn) { c.Watch(); c.ReadBy(s.Now().Add(time.Millisecond)) },
		"moved earlier": func(c *loop.Conn) {
			c.ReadBy(s.Now().Add(time.Hour))
			c.Watch()
			c.ReadBy(s.Now().Add(time.Millisecond))
		},
		"moved later": func(c *loop.Conn) {
			c.ReadBy(s.Now().Add(time.Millisecond))
			c.Watch()
			c.ReadBy(s.Now().Add(50 * time.Millisecond))
		},
	} {
		expired := make(chan bool, 100)
		h := new(told)
		c, _ := s.pair(h)
		h.f = func() { expired <- c.Expired() }
		s.do(func() { set(c) })
		for got := false; !got; { // under faults it is told of nothing, too
			select {
			case got = <-expired:
			case <-time.After(10 * time.Second):
				t.Fatalf("set %s: not told", name)
			}
		}
	}
}

func TestInterruptEndsReadingAndWritingUntilANewDeadline(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	var read, wrote error
	reader := s.start(func() { _, read = c.Read(make([]byte, 1)) })
	writer := s.start(func() { _, wrote = c.Write(make([]byte, 16<<20)) })
	s.do(c.Interrupt)
	<-reader.done
	<-writer.done
	wantTimeout(t, read)
	wantTimeout(t, wrote)
	s.task(func() {
		_, err := c.Read(make([]byte, 1))
		wantTimeout(t, err)
		c.ReadBy(time.Time{})
		say(t, far, "x")
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("after a new deadline: %d, %v", n, err)
		}
	})
}

func TestNudgeWakesTheReaderAlone(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	var read, wrote error
	reader := s.start(func() { _, read = c.Read(make([]byte, 1)) })
	const size = 2 << 20
	writer := s.start(func() { _, wrote = c.Write(make([]byte, size)) })
	s.do(c.Nudge)
	<-reader.done
	wantTimeout(t, read)
	hear(t, far, size)
	<-writer.done
	if wrote != nil {
		t.Error(wrote)
	}
}

func TestCloseEndsWhoWaits(t *testing.T) {
	s := newStage(t)
	c, _ := s.pair(nil)
	var read, wrote error
	reader := s.start(func() { _, read = c.Receive(buffers) })
	writer := s.start(func() { _, wrote = c.Write(make([]byte, 16<<20)) })
	s.do(func() {
		c.Close()
		if err := c.Close(); err != nil {
			t.Error("closed twice:", err)
		}
	})
	<-reader.done
	<-writer.done
	if !errors.Is(read, net.ErrClosed) || !errors.Is(wrote, net.ErrClosed) {
		t.Errorf("read: %v, write: %v", read, wrote)
	}
	s.do(func() {
		if !c.Gone() || c.Idle() || !errors.Is(c.CloseWrite(), net.ErrClosed) {
			t.Error("a closed connection is of use")
		}
	})
}

func TestHalfCloseLeavesTheOtherDirectionOpen(t *testing.T) {
	s := newStage(t)
	c, far := s.pair(nil)
	s.task(func() {
		must(t, c.CloseWrite())
		s.do1(func() { say(t, far, "still here") })
		unix.Shutdown(far, unix.SHUT_WR)
		var got []byte
		p := make([]byte, 4)
		for {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			must(t, err)
		}
		if string(got) != "still here" {
			t.Errorf("read %q", got)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) || !netio.WriteFailed(err) {
			t.Errorf("a write after CloseWrite: %v", err)
		}
	})
	if n, _ := unix.Read(far, make([]byte, 1)); n != 0 {
		t.Error("the far end did not see the end")
	}
}

// do1 calls f while the loop does something else.
func (s *stage) do1(f func()) {
	var g loop.Latch
	go func() {
		f()
		s.Post(g.Open)
	}()
	s.Wait(&g, -1)
}

// A connection is registered with epoll when somebody waits for it first. The
// trap is to believe what was learned before: that a read came short says that
// nothing more is there, and a change will be told of, only once the kernel has
// been asked to tell. A driver that then waits for the rest of an upload waits
// for an edge that came before it registered, or for one that never comes since
// its own first event was for something else (room to write, say) and was taken
// for all there was. Here "readable" is only taken back by EAGAIN until then,
// and adding to epoll tells how things are, in both directions at once; both
// are kept until a call finds otherwise.
func TestAFreshConnectionHearsOfWhatComesLate(t *testing.T) {
	for name, rest := range map[string][]string{
		"at once":         {},
		"late":            {"", "body"},
		"in pieces":       {"b", "o", "", "d", "y"},
		"before waiting":  {"bo", "dy"},
		"after some time": {"", "", "", "body"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			for range 5 {
				h := new(told)
				c, far := s.pair(h)
				out, outFar := s.pair(nil)
				head := "head"
				if len(rest) == 0 {
					head += "body"
				}
				say(t, far, head)
				got := ""
				done := s.start(func() {
					p := make([]byte, 64) // more than is there: each read comes short
					for len(got) < 8 {
						n, err := c.Read(p)
						if err != nil {
							t.Error(err)
							return
						}
						got += string(p[:n])
						out.Write(p[:n]) // the turn passes to another connection
						hear(t, outFar, n)
						if len(rest) == 2 {
							s.Sleep(0)
						}
					}
				})
				for _, piece := range rest {
					if piece == "" {
						s.do(func() {})
						continue
					}
					say(t, far, piece)
				}
				<-done.done
				if got != "headbody" {
					t.Fatalf("got %q", got)
				}
				s.do(func() { c.Close(); out.Close() })
			}
		})
	}
}

// The task has heard of the second request and has left it there; the handler
// that takes over has to be told.
func TestWatchTellsOfWhatATaskHasLeft(t *testing.T) {
	s := newStage(t)
	h := new(told)
	c, far := s.pair(h)
	s.task(func() {
		c.Read(make([]byte, 0))
		reader := &work{done: make(chan struct{}), f: func() { c.Read(make([]byte, 1)) }}
		s.Go(reader)
		s.Sleep(0) // it waits, and so c is registered
		say(t, far, "12")
		s.Sleep(0) // it is told of both, and takes one
		<-reader.done
	})
	before := h.times.Load()
	s.do(c.Watch)
	testkit.Eventually(t, func() bool { return h.times.Load() > before })
}

// Epoll refuses a file, as it refuses sockets when there is no memory.
func TestAConnectionThatCannotBeWatchedIsTold(t *testing.T) {
	s := newStage(t)
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	h := new(told)
	var c loop.Conn
	s.do(func() {
		s.Attach(&c, fd, h)
		c.Watch()
	})
	testkit.Eventually(t, func() bool { return h.times.Load() == 1 })
	s.task(func() {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}
