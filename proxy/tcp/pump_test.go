package tcp_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestSmallMessagesAreEchoed(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo))
		c := b.dial()
		for i := range 100 {
			sent := fmt.Appendf(nil, "message %d", i)
			c.Write(sent)
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != string(sent) {
				t.Fatalf("%q came back as %q, %v", sent, got, err)
			}
		}
		c.CloseWrite()
		if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
			t.Fatalf("at the end: %q, %v", rest, err)
		}
		r := b.settled()
		if len(r) != 1 {
			t.Fatalf("%d records", len(r))
		}
		for key, want := range map[string]any{
			"listener": "in", "service": "test", "protocol": "TCP", "cause": "", "attempts": 1.0,
			"bytes_in": 1090.0 - 100, "bytes_out": 990.0, "client": c.LocalAddr().String(),
		} {
			if r[0][key] != want {
				t.Errorf("record has %s %v, want %v", key, r[0][key], want)
			}
		}
		if r[0]["first_byte"].(float64) <= 0 || r[0]["total"].(float64) < r[0]["first_byte"].(float64) {
			t.Errorf("times in record: %v", r[0])
		}
		if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
		stats := b.service.Stats
		if n := stats.Copied(proxy.FromClient); n != 990 {
			t.Errorf("counted %d bytes copied from the client", n)
		}
		if n := stats.Copied(proxy.ToClient); n != 990 {
			t.Errorf("counted %d bytes copied to the client", n)
		}
		if n := stats.TCPBytes[proxy.ToClient][proxy.CopiedSmall].Load(); n != 990 {
			t.Errorf("counted %d bytes copied for being small", n)
		}
	})
}

// The default is more than the sockets on the way hold.
var bulkFlag = flag.Int64("bulk", 24<<20, "bytes that go each way at once")

// flood writes n bytes of noise and returns their sum.
func flood(c net.Conn, n int64, seed byte) (sum [32]byte) {
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{seed})
	io.Copy(io.MultiWriter(c, h), io.LimitReader(src, n))
	h.Sum(sum[:0])
	return sum
}

func sumOf(c net.Conn) (sum [32]byte, n int64) {
	h := sha256.New()
	n, _ = io.Copy(h, c)
	h.Sum(sum[:0])
	return sum, n
}

func TestBulkArrivesWholeAndIsSpliced(t *testing.T) {
	bulk := *bulkFlag
	eachDriver(t, func(t *testing.T, d driver) {
		type sums struct {
			sent, got [32]byte
			n         int64
		}
		both := func(c *net.TCPConn, seed byte) (s sums) {
			var wg sync.WaitGroup
			wg.Go(func() {
				s.sent = flood(c, bulk, seed)
				c.CloseWrite()
			})
			s.got, s.n = sumOf(c)
			wg.Wait()
			return s
		}
		far := make(chan sums, 1)
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) { far <- both(c, 2) }))
		near := both(b.dial(), 1)
		there := <-far
		if near.n != bulk || there.n != bulk || near.sent != there.got || there.sent != near.got {
			t.Fatalf("%d bytes came to the client, %d to the endpoint, or they differ", near.n, there.n)
		}
		b.wantCause("")
		for d, name := range proxy.Directions {
			spliced := b.service.Stats.TCPBytes[d][proxy.Spliced].Load()
			copied := b.service.Stats.Copied(proxy.Direction(d))
			if spliced+copied != uint64(bulk) {
				t.Errorf("%s: %d spliced + %d copied, want %d", name, spliced, copied, bulk)
			}
			if runtime.GOOS == "linux" && !faulty && copied > 1<<20 {
				t.Errorf("%s: %d of %d bytes copied", name, copied, bulk)
			}
			t.Logf("%s: %d bytes spliced, %d copied", name, spliced, copied)
		}
	})
}

func TestHalfCloseReachesEndpointAndAnswerReachesClient(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) {
			all, _ := io.ReadAll(c) // needs the client's end
			fmt.Fprintf(c, "got %d", len(all))
		}))
		c := b.dial()
		io.WriteString(c, "question")
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "got 8" || err != nil {
			t.Fatalf("answer %q, %v", got, err)
		}
		b.wantCause("")
	})
}

func TestEndpointsHalfCloseReachesClientWhichGoesOn(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		got := make(chan string, 1)
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) {
			io.WriteString(c, "bye")
			c.CloseWrite()
			all, _ := io.ReadAll(c)
			got <- string(all)
		}))
		c := b.dial()
		if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
			t.Fatalf("%q, %v", bye, err)
		}
		io.WriteString(c, "one more thing")
		c.CloseWrite()
		if all := <-got; all != "one more thing" {
			t.Fatalf("endpoint got %q", all)
		}
		b.wantCause("")
	})
}

func TestClientsResetReachesEndpointAndIsNobodysFault(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		ended := make(chan error, 1)
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) {
			c.Write([]byte("hello"))
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}))
		c := b.dial()
		io.ReadFull(c, make([]byte, 5))
		abort(c)
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("endpoint's read ended with %v, want a reset", err)
		}
		b.wantCause("client_gone")
		if started, failed, active := b.load(); started != 1 || failed != 0 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
	})
}

func TestEndpointsResetReachesClientAndIsItsFault(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 5))
			abort(c)
		}))
		c := b.dial()
		io.WriteString(c, "hello")
		wantReset(t, c)
		b.wantCause("connection_terminated")
		if started, failed, active := b.load(); started != 1 || failed != 1 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active", started, failed, active)
		}
	})
}

// Here it may be a write that the kernel tells of the reset, and the read sees
// what looks like an end. Whoever wins, the client must not take it for one.
func TestResetDuringUploadIsNeverAnEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for range 20 {
			b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) {
				io.ReadFull(c, make([]byte, 300_000))
				abort(c)
			}))
			c := b.dial()
			uploadUntilReset(t, c, func() {})
			c.Close()
			b.wantCause("connection_terminated")
		}
	})
}

// An endpoint that has said all it wanted and closed is well, even if the
// client still talks.
func TestTalkingAfterTheEndpointsEndIsNoFailure(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, func(c *net.TCPConn) { io.WriteString(c, "bye") }))
		c := b.dial()
		if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
			t.Fatalf("%q, %v", bye, err)
		}
		eventually(t, "the endpoint's refusal to end the connection", func() bool {
			c.Write([]byte("quit"))
			return b.engine.Active() == 0
		})
		b.wantCause("")
		if _, failed, _ := b.load(); failed != 0 {
			t.Error("counted as a failure")
		}
	})
}
