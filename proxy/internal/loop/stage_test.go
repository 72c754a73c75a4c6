//go:build linux

package loop_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A stage is one loop, on which a test runs functions.
type stage struct {
	*loop.Loop
	t      *testing.T
	panics atomic.Int32 // that handlers made
	end    func()       // ends the loop, and returns when it has ended
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	loops, err := loop.New(1, func(any, []byte) { s.panics.Add(1) })
	must(t, err)
	s.Loop = loops.All()[0]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		loops.Run(ctx)
		close(ended)
	}()
	s.end = func() {
		cancel()
		<-ended
	}
	t.Cleanup(s.end)
	return s
}

// do calls f on the loop and waits for it.
func (s *stage) do(f func()) {
	done := make(chan struct{})
	if !s.Post(func() { defer close(done); f() }) {
		s.t.Error("the loop has ended")
		return
	}
	<-done
}

// work is a function as a task.
type work struct {
	f        func()
	done     chan struct{} // closed at the end
	panicked any
}

func (w *work) Run() {
	w.f()
	close(w.done)
}

func (w *work) Panicked(v any, _ []byte) {
	w.panicked = v
	close(w.done)
}

// start runs f as a task.
func (s *stage) start(f func()) *work {
	w := &work{f: f, done: make(chan struct{})}
	s.do(func() { s.Go(w) })
	return w
}

// task runs f as a task and waits for its end.
func (s *stage) task(f func()) { <-s.start(f).done }

// pair is a connection on the loop, told about to h, and its blocking far end.
func (s *stage) pair(h loop.Handler) (c *loop.Conn, far int) {
	s.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(s.t, err)
	must(s.t, unix.SetNonblock(fds[0], true))
	c = new(loop.Conn)
	s.do(func() { s.Attach(c, fds[0], h) })
	s.t.Cleanup(func() { unix.Close(fds[1]) })
	return c, fds[1]
}

func say(t *testing.T, fd int, what string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(what)); n != len(what) || err != nil {
		t.Errorf("wrote %d of %q, %v", n, what, err)
	}
}

// hear reads n bytes.
func hear(t *testing.T, fd int, n int) string {
	t.Helper()
	b := make([]byte, n)
	for got := 0; got < n; {
		k, err := unix.Read(fd, b[got:])
		if k <= 0 {
			t.Errorf("read %q, then %d, %v", b[:got], k, err)
			break
		}
		got += k
	}
	return string(b)
}

// told is a handler that counts.
type told struct {
	times atomic.Int32
	f     func()
}

func (h *told) Ready() {
	h.times.Add(1)
	if h.f != nil {
		h.f()
	}
}

// splice is loop.Splice, until it is done: under faults it is not possible now
// and then.
func splice(dst, src *loop.Conn, n int64) (moved int64, err error) {
	for {
		k, err := loop.Splice(dst, src, n)
		moved += k
		if n >= 0 {
			n -= k
		}
		if !sys.Faulty || err != netio.ErrNoSplice {
			return moved, err
		}
	}
}

// Sleep makes the running task wait for d, or until the loop ends.
func (s *stage) Sleep(d time.Duration) { s.Wait(new(loop.Latch), d) }
