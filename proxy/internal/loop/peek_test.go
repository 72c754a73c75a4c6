//go:build linux

package loop_test

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// A peeker looks whenever it is told of something.
type peeker struct {
	loop.Conn
	seen  []string
	ended bool
	err   error
}

func (p *peeker) Ready() {
	b := make([]byte, 64)
	var n int
	if n, p.ended, p.err = p.PeekNow(b); n > 0 {
		p.seen = append(p.seen, string(b[:n]))
	}
	if p.err == nil && !p.ended {
		p.err = p.Expect()
	}
}

func newPeeker(s *stage) (p *peeker, far int) {
	p = new(peeker)
	c, far := s.pair(nil)
	s.do(func() { s.Attach(&p.Conn, c.Detach(), p) })
	return p, far
}

// saw waits until p has seen all of this.
func (s *stage) saw(p *peeker, want string) {
	s.t.Helper()
	testkit.Eventually(s.t, func() (ok bool) {
		s.do(func() { ok = len(p.seen) > 0 && p.seen[len(p.seen)-1] == want })
		return ok
	})
}

func TestAHandlerLooksAtWhatComesAndLeavesItThere(t *testing.T) {
	s := newStage(t)
	p, far := newPeeker(s)
	s.do(p.Ready)
	say(t, far, "PRO")
	s.saw(p, "PRO")
	say(t, far, "XY")
	s.saw(p, "PROXY")
	s.do(func() {
		b := make([]byte, 2)
		if err := p.TakeNow(b); err != nil || string(b) != "PR" {
			t.Errorf("took %q, %v", b, err)
		}
		if n := p.Received(); n != 0 {
			t.Errorf("%d bytes received", n)
		}
	})
	say(t, far, "!")
	s.saw(p, "OXY!")
	unix.Shutdown(far, unix.SHUT_WR)
	testkit.Eventually(t, func() (ended bool) {
		s.do(func() { ended = p.ended })
		return ended
	})
	s.saw(p, "OXY!")
}

func TestTheEndIsSeenWithoutAnythingBefore(t *testing.T) {
	s := newStage(t)
	p, far := newPeeker(s)
	unix.Shutdown(far, unix.SHUT_WR)
	s.do(p.Ready)
	testkit.Eventually(t, func() (ended bool) {
		s.do(func() { ended = p.ended })
		return ended
	})
}

// What the first owner has not read, and its end, the second one hears of.
func TestASocketIsHandedOnWithEverythingInIt(t *testing.T) {
	s := newStage(t)
	first, far := newPeeker(s)
	s.do(first.Ready)
	say(t, far, "header, body")
	s.saw(first, "header, body")
	second := new(peeker)
	s.do(func() {
		if err := first.TakeNow(make([]byte, len("header, "))); err != nil {
			t.Error(err)
		}
		fd := first.Detach()
		if !first.Closed() {
			t.Error("the first owner still has it")
		}
		if err := first.Expect(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the first owner expects more: %v", err)
		}
		if _, _, err := first.PeekNow(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the first owner looks: %v", err)
		}
		first.Close() // closes nothing
		s.Attach(&second.Conn, fd, second)
		second.Watch()
	})
	s.saw(second, "body")
	say(t, far, "!")
	unix.Shutdown(far, unix.SHUT_WR)
	testkit.Eventually(t, func() (ended bool) {
		s.do(func() { ended = second.ended })
		return ended
	})
	s.saw(second, "body!")
}
