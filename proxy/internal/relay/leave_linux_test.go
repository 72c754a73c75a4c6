package relay_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// A stage is a relay between one that has spoken, and is about to leave, and one
// that does not listen before it has said much itself.
type stage struct {
	said           []byte // more than the talker's side holds, so that the relay does
	leaver, talker *net.TCPConn
	wait           func() relay.Cause
	inner          int // the relay's end of the talker's connection
}

func newStage(t *testing.T, relayed maker, clientLeaves bool, o relay.Options) *stage {
	s := &stage{said: bytes.Repeat([]byte("word"), 24<<10)}
	var near, far net.Conn
	s.leaver, near = pair(t)
	s.talker, far = dialed(t, &net.Dialer{Control: takeLittle})
	s.talker.SetWriteBuffer(64 << 10)
	far.(*net.TCPConn).SetWriteBuffer(4 << 10)
	control(t, far, func(fd int) { s.inner, _ = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) })
	o.Stats = new(proxy.Stats)
	if clientLeaves {
		s.wait = run(relayed(t, near, far, o))
	} else {
		s.wait = run(relayed(t, far, near, o))
	}
	s.leaver.Write(s.said)
	return s
}

// takeLittle makes a small receive buffer, before the peer is told of a large one:
// a kernel that has promised too much drops what comes, and that takes time.
func takeLittle(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
}

// leave resets the leaver's connection. In good order it comes after the end: the
// relay's system has both before the relay has read either.
func (s *stage) leave(t *testing.T, inOrder bool) {
	if inOrder {
		s.leaver.CloseWrite()
	}
	testkit.Eventually(t, func() bool { return underway(t, s.leaver) == 0 })
	abort(s.leaver)
}

// talk says more than sockets hold.
func (s *stage) talk(t *testing.T) {
	_, err := s.talker.Write(make([]byte, 1<<20))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("nobody reads what the talker says")
	}
}

// forget lets go of the relay's end, which would not close otherwise, once all is
// read that came there.
func (s *stage) forget(t *testing.T) {
	testkit.Eventually(t, func() bool { return underway(t, s.talker) == 0 && ask(t, s.inner, unix.SIOCINQ) == 0 })
	unix.Close(s.inner)
}

// underway is how much of what c was given the peer's system does not have yet;
// an end counts as a byte.
func underway(t *testing.T, c *net.TCPConn) (n int) {
	control(t, c, func(fd int) { n = ask(t, fd, unix.SIOCOUTQ) })
	return n
}

func ask(t *testing.T, fd int, what uint) int {
	n, err := unix.IoctlGetInt(fd, what)
	must(t, err)
	return n
}

func control(t *testing.T, c net.Conn, f func(fd int)) {
	raw, err := c.(syscall.Conn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { f(int(fd)) }))
}

// Such as an echo, whose client sends much, reads nothing, and goes. Both would
// wait for the other to read: the talker, and the relay with what the leaver said.
func TestWhoTalksBeforeListeningIsNotStuckWhenThePeerLeaves(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		for _, tc := range []struct {
			name                  string
			clientLeaves, inOrder bool
			cause                 relay.Cause
		}{
			{"the client resets", true, false, relay.ClientGone},
			{"the client ends and takes no more", true, true, relay.ClientGone},
			{"the endpoint resets", false, false, relay.EndpointReset},
			{"the endpoint ends and takes no more", false, true, relay.Well},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := newStage(t, relayed, tc.clientLeaves, relay.Options{})
				s.leave(t, tc.inOrder)
				if tc.cause != relay.Well {
					unix.Close(s.inner)
				}
				s.talk(t)
				if tc.cause == relay.Well {
					s.forget(t)
				}
				all, err := io.ReadAll(s.talker)
				if tc.cause == relay.Well && (!bytes.Equal(all, s.said) || err != nil) {
					t.Errorf("of %d bytes %d came, %v", len(s.said), len(all), err)
				}
				if cause := s.wait(); cause != tc.cause {
					t.Errorf("ended with %q, want %q", cause, tc.cause)
				}
			})
		}
	})
}

// It never listens, and never stops.
func TestWhatIsReadForNobodyDoesNotKeepARelay(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		s := newStage(t, relayed, true, relay.Options{Idle: 200 * time.Millisecond})
		unix.Close(s.inner)
		s.leave(t, true)
		for p := make([]byte, 64<<10); ; {
			if _, err := s.talker.Write(p); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the relay goes on")
			} else if err != nil {
				break
			}
		}
		// On a busy machine the silence may be too long before the client leaves.
		if cause := s.wait(); cause != relay.ClientGone && cause != relay.Idle {
			t.Errorf("ended with %q", cause)
		}
	})
}
