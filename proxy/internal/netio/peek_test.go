package netio

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// elsewhere makes c one of a platform that cannot peek.
func elsewhere(c *Conn) *Conn { return Wrap(struct{ net.Conn }{c}) }

// eachPeeking runs a test where the kernel can be asked, and where it cannot.
func eachPeeking(t *testing.T, f func(t *testing.T, a, b *Conn)) {
	each(t, f)
	t.Run("elsewhere", func(t *testing.T) {
		a, b := pair(t, "tcp")
		f(t, a, elsewhere(b))
	})
}

func TestPeekShowsMoreEachTimeAndLeavesItThere(t *testing.T) {
	eachPeeking(t, func(t *testing.T, a, b *Conn) {
		go func() {
			for _, s := range []string{"one", "two", "three"} {
				a.Write([]byte(s))
			}
		}()
		p := make([]byte, 64)
		for have := 0; have < len("onetwothree"); {
			n, err := b.Peek(p, have)
			if err != nil || n <= have || string(p[:n]) != "onetwothree"[:n] {
				t.Fatalf("after %d bytes: %q, %v", have, p[:n], err)
			}
			have = n
		}
		if b.Received() != 0 {
			t.Errorf("%d bytes received by looking", b.Received())
		}
		must(t, b.Take(p[:len("onet")]))
		if string(p[:4]) != "onet" || b.Received() != 0 {
			t.Errorf("took %q; %d bytes received", p[:4], b.Received())
		}
		got := make([]byte, len("wothree"))
		if _, err := io.ReadFull(b, got); string(got) != "wothree" || err != nil || b.Received() != 7 {
			t.Errorf("read %q, %v; %d bytes received", got, err, b.Received())
		}
	})
}

func TestPeekTellsOfTheEndAndWhatWasBefore(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "elsewhere"} {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, "tcp")
			switch network {
			case "unix":
				a, b = pair(t, "unix")
			case "elsewhere":
				b = elsewhere(b)
			}
			a.Write([]byte("half"))
			p := make([]byte, 64)
			for n := 0; n < 4; {
				var err error
				n, err = b.Peek(p, n)
				must(t, err)
			}
			must(t, a.CloseWrite())
			if n, err := b.Peek(p, 4); n != 4 || err != io.EOF {
				t.Fatalf("at the end: %d, %v", n, err)
			}
			if got, err := io.ReadAll(b); string(got) != "half" || err != nil {
				t.Fatalf("read %q, %v", got, err)
			}
			if n, err := b.Peek(p, 0); n != 0 || err != io.EOF {
				t.Fatalf("behind the end: %d, %v", n, err)
			}
		})
	}
}

func TestPeekIsAsPatientAsItsDeadline(t *testing.T) {
	eachPeeking(t, func(t *testing.T, a, b *Conn) {
		b.ReadBy(time.Now().Add(20 * time.Millisecond))
		_, err := b.Peek(make([]byte, 8), 0)
		wantTimeout(t, err)
		b.ReadBy(time.Time{})
		go a.Write([]byte("x"))
		if n, err := b.Peek(make([]byte, 8), 0); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	})
}

func TestPeekTellsOfAReset(t *testing.T) {
	a, b := pair(t, "tcp")
	a.Abort()
	if _, err := b.Peek(make([]byte, 8), 0); !errors.Is(err, syscall.ECONNRESET) || WriteFailed(err) {
		t.Fatal(err)
	}
}

func TestWhatWasPeekedIsReceivedIntoABuffer(t *testing.T) {
	eachPeeking(t, func(t *testing.T, a, b *Conn) {
		go a.Write([]byte("hello"))
		p := make([]byte, 8)
		n, err := b.Peek(p, 4)
		for err == nil && n < 5 {
			n, err = b.Peek(p, n)
		}
		must(t, err)
		must(t, b.Take(p[:2]))
		buf, err := b.Receive(NewPool(16))
		must(t, err)
		if len(buf.B) == 0 || string(buf.B) != "llo"[:len(buf.B)] {
			t.Fatalf("received %q", buf.B)
		}
		buf.Free()
	})
}
