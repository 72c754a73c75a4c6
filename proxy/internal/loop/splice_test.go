//go:build linux

package loop_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// tcpPair is a TCP connection on the loop, and its far end.
func (s *stage) tcpPair() (*loop.Conn, *net.TCPConn) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	defer l.Close()
	c := new(loop.Conn)
	s.task(func() { must(s.t, s.Dial(c, l.Addr().String(), time.Minute, nil)) })
	far, err := l.Accept()
	must(s.t, err)
	s.t.Cleanup(func() { far.Close() })
	return c, far.(*net.TCPConn)
}

func TestBulkIsSplicedBothWaysAtOnce(t *testing.T) {
	size := 64 << 20
	if sys.Faulty {
		size = 1 << 20
	}
	s := newStage(t)
	a, farA := s.tcpPair()
	b, farB := s.tcpPair()
	relay := func(dst, src *loop.Conn) func() {
		return func() {
			n, err := splice(dst, src, -1)
			if n != int64(size) || err != nil || src.Received() != n || dst.Sent() != n {
				t.Errorf("moved %d, received %d, sent %d, %v", n, src.Received(), dst.Sent(), err)
			}
			dst.CloseWrite()
		}
	}
	there, back := s.start(relay(b, a)), s.start(relay(a, b))
	var wg sync.WaitGroup
	sums := make([][32]byte, 4)
	for i, c := range []*net.TCPConn{farA, farB} {
		wg.Go(func() { sums[i] = feed(t, c, uint64(i), size) })
		wg.Go(func() {
			h := sha256.New()
			io.Copy(h, c)
			h.Sum(sums[2+i][:0])
		})
	}
	wg.Wait()
	<-there.done
	<-back.done
	if sums[0] != sums[3] || sums[1] != sums[2] {
		t.Error("bytes differ")
	}
	s.do(func() { a.Close(); b.Close() })
}

// feed writes noise, ends the stream, and returns its checksum.
func feed(t *testing.T, c *net.TCPConn, seed uint64, size int) (sum [32]byte) {
	noise := rand.NewChaCha8([32]byte{byte(seed)})
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(h, c), noise, int64(size)); err != nil {
		t.Error(err)
	}
	c.CloseWrite()
	h.Sum(sum[:0])
	return sum
}

func TestSpliceTakesNoByteTooManyAndSaysWhenTheEndComesTooSoon(t *testing.T) {
	s := newStage(t)
	src, in := s.pair(nil)
	dst, out := s.pair(nil)
	say(t, in, "bodynextab")
	unix.Shutdown(in, unix.SHUT_WR)
	s.task(func() {
		if n, err := splice(dst, src, 4); n != 4 || err != nil {
			t.Errorf("spliced %d, %v", n, err)
		}
		if n, err := splice(dst, src, 0); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
		p := make([]byte, 4)
		for n := 0; n < 4; {
			k, err := src.Read(p[n:])
			must(t, err)
			n += k
		}
		if string(p) != "next" {
			t.Errorf("left %q", p)
		}
		if n, err := splice(dst, src, 10); n != 2 || err != io.ErrUnexpectedEOF {
			t.Errorf("the end: %d, %v", n, err)
		}
	})
	if got := hear(t, out, 6); got != "bodyab" {
		t.Errorf("moved %q", got)
	}
}

func TestSpliceSaysWhichSideFailed(t *testing.T) {
	s := newStage(t)
	src, in := s.tcpPair()
	dst, out := s.tcpPair()
	in.SetLinger(0)
	in.Close()
	s.task(func() {
		_, err := splice(dst, src, -1)
		if !errors.Is(err, syscall.ECONNRESET) || netio.WriteFailed(err) {
			t.Errorf("source: %v", err)
		}
		src.Close()
	})
	src, in = s.tcpPair()
	out.SetLinger(0)
	out.Close()
	go in.Write(make([]byte, 64<<20)) // until the test ends
	s.task(func() {
		_, err := splice(dst, src, -1)
		if !netio.WriteFailed(err) {
			t.Errorf("destination: %v", err)
		}
		dst.Close()
		src.Abort()
	})
}

func TestASpliceThatWaitsHoldsNoPipe(t *testing.T) {
	s := newStage(t)
	for sys.IdlePipes() > 0 {
		sys.TakePipe().Return(1)
	}
	src, _ := s.pair(nil)
	dst, _ := s.pair(nil)
	var err error
	w := s.start(func() { _, err = splice(dst, src, -1) })
	testkit.Eventually(t, func() bool { return sys.IdlePipes() == 1 })
	s.do(src.Interrupt)
	<-w.done
	wantTimeout(t, err)
}
