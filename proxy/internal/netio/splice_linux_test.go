package netio

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// relay returns the two connections between which a test splices, and their
// far ends: what is written to in comes out at out, once it is spliced.
func relay(t testing.TB, network string) (in, src, dst, out *Conn) {
	in, src = pair(t, network)
	dst, out = pair(t, network)
	return in, src, dst, out
}

// keepSplicing is Splice, until it is done: under faults it is not possible now
// and then.
func keepSplicing(dst, src *Conn, n int64) (moved int64, err error) {
	for {
		k, err := Splice(dst, src, n)
		moved += k
		if n >= 0 {
			n -= k
		}
		if !sys.Faulty || err != ErrNoSplice {
			return moved, err
		}
	}
}

func openPipes(t testing.TB) int {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	n := 0
	for _, d := range dir {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

func TestSpliceMovesEverythingUntilTheEnd(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			in, src, dst, out := relay(t, network)
			p := noise(16<<20 + 5)
			go feed(t, in, p)
			got := make(chan [32]byte)
			go func() { got <- sum(t, out) }()
			n, err := keepSplicing(dst, src, -1)
			if n != int64(len(p)) || err != nil {
				t.Fatalf("Splice = %d, %v", n, err)
			}
			dst.CloseWrite()
			if <-got != sha256.Sum256(p) {
				t.Fatal("bytes differ")
			}
			if src.Received() != n || dst.Sent() != n {
				t.Fatalf("counted %d in, %d out, want %d", src.Received(), dst.Sent(), n)
			}
		})
	}
}

func TestSpliceTakesNoByteTooMany(t *testing.T) {
	in, src, dst, out := relay(t, "tcp")
	go feed(t, in, []byte("bodynext"))
	if n, err := keepSplicing(dst, src, 4); n != 4 || err != nil {
		t.Fatalf("Splice = %d, %v", n, err)
	}
	if n, err := keepSplicing(dst, src, 0); n != 0 || err != nil {
		t.Fatalf("Splice of nothing = %d, %v", n, err)
	}
	rest, err := io.ReadAll(src)
	must(t, err)
	dst.Close()
	body, err := io.ReadAll(out)
	must(t, err)
	if string(body) != "body" || string(rest) != "next" {
		t.Fatalf("moved %q, left %q", body, rest)
	}
}

func TestSpliceSaysWhenTheEndComesTooSoon(t *testing.T) {
	in, src, dst, _ := relay(t, "tcp")
	go feed(t, in, []byte("abc"))
	if n, err := keepSplicing(dst, src, 10); n != 3 || err != io.ErrUnexpectedEOF {
		t.Fatalf("Splice = %d, %v", n, err)
	}
}

func TestSpliceSaysWhichSideFailed(t *testing.T) {
	t.Run("source", func(t *testing.T) {
		in, src, dst, _ := relay(t, "tcp")
		in.Abort()
		_, err := keepSplicing(dst, src, -1)
		if !errors.Is(err, syscall.ECONNRESET) || WriteFailed(err) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("destination", func(t *testing.T) {
		in, src, dst, out := relay(t, "tcp")
		out.Abort()
		go in.Write(make([]byte, 64<<20)) // fails when the test ends
		_, err := keepSplicing(dst, src, -1)
		if !WriteFailed(err) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestSpliceHonoursDeadlines(t *testing.T) {
	t.Run("source", func(t *testing.T) {
		_, src, dst, _ := relay(t, "tcp")
		src.ReadBy(time.Now().Add(10 * time.Millisecond))
		n, err := keepSplicing(dst, src, -1)
		wantTimeout(t, err)
		if n != 0 || WriteFailed(err) {
			t.Fatalf("Splice = %d, %v", n, err)
		}
	})
	t.Run("destination", func(t *testing.T) {
		in, src, dst, _ := relay(t, "tcp")
		go in.Write(make([]byte, 64<<20))
		dst.WriteBy(time.Now().Add(50 * time.Millisecond))
		_, err := keepSplicing(dst, src, -1)
		wantTimeout(t, err)
		if !WriteFailed(err) {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("moved later", func(t *testing.T) {
		in, src, dst, out := relay(t, "tcp")
		early := time.Now().Add(10 * time.Millisecond)
		src.ReadBy(early)
		src.ReadBy(time.Now().Add(time.Hour))
		go func() {
			time.Sleep(time.Until(early.Add(20 * time.Millisecond)))
			in.Write([]byte("x"))
		}()
		if n, err := keepSplicing(dst, src, 1); n != 1 || err != nil {
			t.Fatalf("Splice = %d, %v", n, err)
		}
		out.Read(make([]byte, 1))
	})
}

func TestSpliceWaitsWithoutAPipe(t *testing.T) {
	before := openPipes(t)
	for sys.IdlePipes() > 0 {
		sys.TakePipe().Return(1)
	}
	_, src, dst, _ := relay(t, "tcp")
	done := make(chan error)
	go func() {
		_, err := keepSplicing(dst, src, -1)
		done <- err
	}()
	for sys.IdlePipes() == 0 { // it tried, and gave the pipe back
		time.Sleep(time.Millisecond)
	}
	src.Interrupt()
	wantTimeout(t, <-done)
	if n := openPipes(t); n > before+2 {
		t.Fatalf("%d pipe descriptors, %d before", n, before)
	}
}

func TestPipeWithBytesInItIsNotReused(t *testing.T) {
	for range 10 {
		in, src, dst, _ := relay(t, "tcp")
		go in.Write(make([]byte, 64<<20))
		dst.WriteBy(time.Now().Add(20 * time.Millisecond))
		_, err := keepSplicing(dst, src, -1)
		wantTimeout(t, err)
		in.Close()
	}
	for range sys.IdlePipes() {
		p := sys.TakePipe()
		var b [1]byte
		if n, err := syscall.Read(p.R, b[:]); err != syscall.EAGAIN {
			t.Fatalf("a pooled pipe gave %d bytes, %v", n, err)
		}
		defer p.Return(0)
	}
}

func TestSpliceWithoutDescriptorsAsksToCopy(t *testing.T) {
	in, src, dst, _ := relay(t, "tcp")
	go in.Write([]byte("hello"))
	for src.Idle() {
		time.Sleep(time.Millisecond)
	}
	for sys.IdlePipes() > 0 {
		sys.TakePipe().Return(1)
	}
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: old.Max}))
	n, err := Splice(dst, src, 5)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old))
	if n != 0 || err != ErrNoSplice {
		t.Fatalf("Splice = %d, %v", n, err)
	}
	var b [5]byte
	if _, err := io.ReadFull(src, b[:]); err != nil || string(b[:]) != "hello" {
		t.Fatalf("left to copy: %q, %v", b, err)
	}
}

func TestSpliceOfWhatIsNoSocketAsksToCopy(t *testing.T) {
	a, _ := pair(t, "pipe")
	b, _ := pair(t, "tcp")
	for _, c := range [][2]*Conn{{a, b}, {b, a}} {
		if n, err := Splice(c[0], c[1], -1); n != 0 || err != ErrNoSplice {
			t.Fatalf("Splice = %d, %v", n, err)
		}
	}
}
