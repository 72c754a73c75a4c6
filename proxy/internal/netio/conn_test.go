package netio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// networks are the transports on which every promise is kept.
var networks = []string{"tcp", "unix", "pipe", "tls"}

// pair returns two ends of one connection.
func pair(t testing.TB, network string) (a, b *Conn) {
	t.Helper()
	if network == "tls" {
		return tlsPair(t, 0)
	}
	if network == "pipe" {
		x, y := net.Pipe()
		a, b = Wrap(x), Wrap(y)
	} else {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = filepath.Join(t.TempDir(), "s")
		}
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addr = l.Addr().String()
		if network == "unix" {
			addr = "unix:" + addr
		}
		if a, err = Dial(context.Background(), addr, 0); err != nil {
			t.Fatal(err)
		}
		y, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b = Wrap(y)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func each(t *testing.T, f func(t *testing.T, a, b *Conn)) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			f(t, a, b)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("error %v, want a deadline that has passed", err)
	}
}

// noise is n bytes that no pattern hides in.
func noise(n int) []byte {
	p := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n)})
	src.Read(p)
	return p
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	each(t, func(t *testing.T, a, b *Conn) {
		sent := noise(1 << 20)
		go func() {
			for rest := sent; len(rest) > 0; {
				k := min(len(rest), 1+rand.IntN(100_000))
				j := rand.IntN(k + 1)
				if n, err := a.WriteBuffers(rest[:j], rest[j:k]); err != nil || n != int64(k) {
					t.Errorf("WriteBuffers of %d = %d, %v", k, n, err)
				}
				rest = rest[k:]
			}
			a.Close()
		}()
		got, err := io.ReadAll(b)
		must(t, err)
		if !bytes.Equal(got, sent) {
			t.Fatal("bytes differ")
		}
		if a.Sent() != 1<<20 || b.Received() != 1<<20 {
			t.Fatalf("counted %d sent, %d received, want %d", a.Sent(), b.Received(), 1<<20)
		}
	})
}

func TestReceiveGivesWhatIsThereAndThenTheEnd(t *testing.T) {
	each(t, func(t *testing.T, a, b *Conn) {
		pool := NewPool(16)
		go func() {
			a.Write([]byte("hello"))
			a.Close()
		}()
		var got []byte
		for {
			buf, err := b.Receive(pool)
			if err == io.EOF && buf == nil {
				break
			}
			must(t, err)
			got = append(got, buf.B...)
			buf.Free()
		}
		if string(got) != "hello" {
			t.Fatalf("received %q", got)
		}
	})
}

func TestReadOfNothingDoesNotWait(t *testing.T) {
	each(t, func(t *testing.T, a, _ *Conn) {
		if n, err := a.Read(nil); n != 0 || err != nil {
			t.Fatalf("Read(nil) = %d, %v", n, err)
		}
		if n, err := a.Write(nil); n != 0 || err != nil {
			t.Fatalf("Write(nil) = %d, %v", n, err)
		}
	})
}

func TestDeadlineEndsRead(t *testing.T) {
	each(t, func(t *testing.T, a, b *Conn) {
		a.ReadBy(time.Now().Add(10 * time.Millisecond))
		_, err := a.Read(make([]byte, 1))
		wantTimeout(t, err)
		// A later deadline makes the connection good again.
		a.ReadBy(time.Now().Add(time.Minute))
		go b.Write([]byte("x"))
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read after a new deadline = %d, %v", n, err)
		}
	})
}

func TestDeadlineEndsWriteAndCountsWhatWasTaken(t *testing.T) {
	each(t, func(t *testing.T, a, _ *Conn) {
		a.WriteBy(time.Now().Add(20 * time.Millisecond))
		n, err := a.Write(make([]byte, 64<<20))
		wantTimeout(t, err)
		if !WriteFailed(err) || int64(n) != a.Sent() {
			t.Fatalf("wrote %d, counted %d, %v", n, a.Sent(), err)
		}
	})
}

// The timer is left at the early time; the reader must not believe it.
func TestDeadlineMovedLaterIsObeyed(t *testing.T) {
	each(t, func(t *testing.T, a, b *Conn) {
		early := time.Now().Add(10 * time.Millisecond)
		a.ReadBy(early)
		a.ReadBy(time.Now().Add(time.Minute))
		go func() {
			for !time.Now().After(early.Add(20 * time.Millisecond)) {
				time.Sleep(time.Millisecond) // until the first time has passed
			}
			b.Write([]byte("x"))
		}()
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
	})
}

func TestDeadlineMovedEarlierWakesReader(t *testing.T) {
	each(t, func(t *testing.T, a, _ *Conn) {
		a.ReadBy(time.Now().Add(time.Hour))
		failed := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			failed <- err
		}()
		a.ReadBy(time.Now().Add(time.Millisecond))
		wantTimeout(t, <-failed)
	})
}

func TestInterruptWakesReaderAndWriterUntilNewDeadline(t *testing.T) {
	each(t, func(t *testing.T, a, b *Conn) {
		a.ReadBy(time.Now().Add(time.Hour))
		failed := make(chan error, 2)
		go func() {
			_, err := a.Read(make([]byte, 1))
			failed <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, 64<<20))
			failed <- err
		}()
		a.Interrupt()
		wantTimeout(t, <-failed)
		wantTimeout(t, <-failed)
		_, err := a.Read(make([]byte, 1))
		wantTimeout(t, err) // it lasts
		a.ReadBy(time.Time{})
		go b.Write([]byte("x"))
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read after the interrupt was lifted = %d, %v", n, err)
		}
	})
}

// Deadlines move while a reader runs into them; none may be lost, which would
// leave the reader waiting for an hour.
func TestNoInterruptIsLostBetweenGoroutines(t *testing.T) {
	a, _ := pair(t, "tcp")
	for range 2000 {
		a.ReadBy(time.Now().Add(time.Hour))
		done := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			done <- err
		}()
		go a.ReadBy(time.Now().Add(time.Hour).Add(-time.Second))
		for stopped := false; !stopped; {
			a.Interrupt()
			select {
			case err := <-done:
				wantTimeout(t, err)
				stopped = true
			case <-time.After(10 * time.Second):
				t.Fatal("reader was not woken")
			case <-time.After(time.Millisecond):
				// The ReadBy above came after the interrupt and lifted it.
			}
		}
	}
}

func TestCloseWakesReader(t *testing.T) {
	a, _ := pair(t, "tcp")
	failed := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		failed <- err
	}()
	a.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("error %v, want net.ErrClosed", err)
	}
	for name, err := range map[string]error{
		"read":  second(a.Read(make([]byte, 1))),
		"write": second(a.Write(make([]byte, 1))),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v, want net.ErrClosed", name, err)
		}
	}
	if !a.Gone() || a.Idle() {
		t.Error("a closed connection is not gone, or idle")
	}
}

func second(_ int, err error) error { return err }

func TestHalfCloseReachesPeer(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			must(t, a.CloseWrite())
			if _, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("error %v, want io.EOF", err)
			}
			if _, err := b.Write([]byte("still here")); err != nil {
				t.Fatal(err)
			}
			must(t, b.CloseWrite())
			if got, err := io.ReadAll(a); err != nil || string(got) != "still here" {
				t.Fatalf("read %q, %v", got, err)
			}
		})
	}
}

func TestCloseWriteOnPipeIsUnsupported(t *testing.T) {
	a, _ := pair(t, "pipe")
	if err := a.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("error %v", err)
	}
}

func TestAbortResetsPeer(t *testing.T) {
	a, b := pair(t, "tcp")
	a.Abort()
	_, err := b.Read(make([]byte, 1))
	if !errors.Is(err, syscall.ECONNRESET) || WriteFailed(err) {
		t.Fatalf("error %v, want a read that failed with ECONNRESET", err)
	}
	if !b.Gone() || !b.Broken() || b.Idle() {
		t.Fatalf("after a reset: gone %v, broken %v, idle %v", b.Gone(), b.Broken(), b.Idle())
	}
	_, err = b.Write([]byte("x"))
	if !errors.Is(err, syscall.EPIPE) || !WriteFailed(err) {
		t.Fatalf("error %v, want a write that failed with EPIPE", err)
	}
}

func TestProbesTellWithoutConsuming(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			if !b.Idle() || b.Gone() || b.Broken() {
				t.Fatalf("quiet: idle %v, gone %v, broken %v", b.Idle(), b.Gone(), b.Broken())
			}
			a.Write([]byte("x"))
			testkit.Eventually(t, func() bool { return !b.Idle() }) // on a busy machine a byte takes its time
			if b.Gone() {
				t.Fatal("data: gone")
			}
			a.CloseWrite()
			testkit.Eventually(t, b.Gone)
			if b.Idle() || b.Broken() {
				t.Fatalf("data and end: idle %v, broken %v", b.Idle(), b.Broken())
			}
			if got, err := io.ReadAll(b); err != nil || string(got) != "x" {
				t.Fatalf("read %q, %v", got, err)
			}
		})
	}
}

func TestUnknownConnectionIsNeverIdle(t *testing.T) {
	a, _ := pair(t, "pipe")
	if a.Idle() || a.Gone() || a.Broken() {
		t.Fatal("a pipe has no state to ask for")
	}
}

// tlsLike is over a Conn what crypto/tls.Conn is.
type tlsLike struct{ net.Conn }

func (t tlsLike) NetConn() net.Conn { return t.Conn }

func TestQuestionsAndResetReachTheSocketBelowTLS(t *testing.T) {
	a, b := pair(t, "tcp")
	above := Wrap(tlsLike{a})
	if above == a || above.CanSplice() {
		t.Fatal("the layer between is missing")
	}
	if !above.Idle() || above.Gone() {
		t.Fatal("quiet: not idle, or gone")
	}
	must(t, b.CloseWrite())
	testkit.Eventually(t, above.Gone)
	if above.Idle() {
		t.Fatal("after the peer's end: idle")
	}
	above.Abort()
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("peer's read ended with %v, want a reset", err)
	}
}

func TestWrapKeepsConn(t *testing.T) {
	a, _ := pair(t, "tcp")
	if Wrap(a) != a {
		t.Fatal("wrapped twice")
	}
}

func TestDialKeepsTheCauseOfFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	mine, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer mine.Close() // so nobody else listens where it comes from
	_, err = Dial(context.Background(), mine.LocalAddr().String(), time.Minute)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", err)
	}
	_, err = Dial(context.Background(), "unix:"+filepath.Join(t.TempDir(), "nobody"), 0)
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("error %v, want ENOENT", err)
	}
	_, err = Dial(context.Background(), "no port", 0)
	if err == nil || !strings.Contains(err.Error(), "missing port") {
		t.Errorf("error %v, want one about the port", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = Dial(ctx, l.Addr().String(), 0); err == nil {
		t.Error("a dial that was cancelled succeeded")
	}
}

// feed writes p to c and closes its sending side.
func feed(t *testing.T, c *Conn, p []byte) {
	if _, err := c.Write(p); err != nil {
		t.Errorf("feed: %v", err)
	}
	c.CloseWrite()
}

func sum(t *testing.T, c *Conn) (got [32]byte) {
	h := sha256.New()
	if _, err := io.Copy(h, c); err != nil {
		t.Errorf("sum: %v", err)
	}
	h.Sum(got[:0])
	return got
}

func TestAddressesAreThoseThatWereSaid(t *testing.T) {
	c, _ := pair(t, "tcp")
	if c.RemoteAddr().String() == c.LocalAddr().String() || c.LocalAddr() == nil {
		t.Fatalf("%v to %v", c.LocalAddr(), c.RemoteAddr())
	}
	local, remote := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, &net.TCPAddr{IP: net.IPv6loopback, Port: 5}
	c.SetAddrs(local, remote)
	if w := Wrap(c); w.LocalAddr() != local || w.RemoteAddr() != remote {
		t.Errorf("%v to %v", w.LocalAddr(), w.RemoteAddr())
	}
	over := tls.Client(c, new(tls.Config))
	if w := Wrap(over); w.LocalAddr() != local || w.RemoteAddr() != remote {
		t.Errorf("over TLS: %v to %v", w.LocalAddr(), w.RemoteAddr())
	}
}
