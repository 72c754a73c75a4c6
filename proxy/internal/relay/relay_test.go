package relay_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// relayer is what both implementations are to the tests.
type relayer interface {
	Run() relay.Cause
	Cut(relay.Cause)
	First() time.Time // after Run
}

// A maker makes a relay of two connections whose deadlines have passed.
type maker func(t *testing.T, client, endpoint net.Conn, o relay.Options) relayer

// implementations by name. What this file promises, all of them keep.
var implementations = map[string]maker{"goroutines": withGoroutines}

func withGoroutines(_ *testing.T, client, endpoint net.Conn, o relay.Options) relayer {
	c, e := netio.Wrap(client), netio.Wrap(endpoint)
	for _, c := range []*netio.Conn{c, e} {
		c.ReadBy(time.Now())
		c.WriteBy(time.Now())
	}
	return relay.New(c, e, o)
}

// each runs f with each implementation.
func each(t *testing.T, f func(t *testing.T, relayed maker)) {
	for name, m := range implementations {
		t.Run(name, func(t *testing.T) { f(t, m) })
	}
}

// ends are the outer ends of a relay, and the inner ones that it is made from.
type ends struct {
	client, endpoint *net.TCPConn
	inClient, inEnd  net.Conn
}

func connect(t *testing.T) (e ends) {
	t.Helper()
	e.client, e.inClient = pair(t)
	e.endpoint, e.inEnd = pair(t)
	return e
}

// pair is a connection of which the second end is the relay's.
func pair(t *testing.T) (*net.TCPConn, net.Conn) {
	t.Helper()
	return dialed(t, new(net.Dialer))
}

func dialed(t *testing.T, by *net.Dialer) (*net.TCPConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	outer, err := by.Dial("tcp", l.Addr().String())
	must(t, err)
	inner, err := l.Accept()
	must(t, err)
	outer.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() {
		outer.Close()
		inner.Close()
	})
	return outer.(*net.TCPConn), inner
}

// run starts a relay and returns how to wait for its end.
func run(r relayer) (wait func() relay.Cause) {
	var cause relay.Cause
	var running sync.WaitGroup
	running.Go(func() { cause = r.Run() })
	return func() relay.Cause {
		running.Wait()
		return cause
	}
}

// Both connections have a past: bytes that are not the relay's, and deadlines.
func TestOnlyTheRelaysOwnBytesCountAndOldDeadlinesAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		e := connect(t)
		old := make([]byte, 100)
		for _, c := range [][2]net.Conn{{e.client, e.inClient}, {e.endpoint, e.inEnd}} {
			c[0].Write(old)
			io.ReadFull(c[1], old)
			c[1].Write(old)
			io.ReadFull(c[0], old)
		}
		stats := new(proxy.Stats)
		wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{
			Early: [2][]byte{proxy.FromClient: []byte("early "), proxy.ToClient: []byte("hello ")},
			Stats: stats,
		}))
		io.WriteString(e.client, "question")
		e.client.CloseWrite()
		if all, err := io.ReadAll(e.endpoint); string(all) != "early question" || err != nil {
			t.Errorf("the endpoint got %q, %v", all, err)
		}
		io.WriteString(e.endpoint, "answer")
		e.endpoint.CloseWrite()
		if all, err := io.ReadAll(e.client); string(all) != "hello answer" || err != nil {
			t.Errorf("the client got %q, %v", all, err)
		}
		if cause := wait(); cause != relay.Well {
			t.Errorf("ended with %q", cause)
		}
		for d, want := range map[proxy.Direction]uint64{proxy.FromClient: 14, proxy.ToClient: 12} {
			if n := stats.Copied(proxy.Direction(d)); n != want {
				t.Errorf("%s: counted %d bytes, want %d", proxy.Directions[d], n, want)
			}
		}
		if n := stats.TCPBytes[proxy.FromClient][proxy.CopiedSmall].Load() + stats.TCPBytes[proxy.ToClient][proxy.CopiedSmall].Load(); n != 26 {
			t.Errorf("counted %d small bytes, want 26", n)
		}
	})
}

func TestEarlyBytesGoBothWaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		e := connect(t)
		// Neither side reads before it has sent all: much more than sockets hold.
		early := [2][]byte{make([]byte, 16<<20), make([]byte, 16<<20)}
		wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Early: early, Stats: new(proxy.Stats)}))
		for _, c := range []*net.TCPConn{e.endpoint, e.client} {
			if _, err := io.ReadFull(c, make([]byte, 16<<20)); err != nil {
				t.Fatal(err)
			}
			c.CloseWrite()
		}
		if cause := wait(); cause != relay.Well {
			t.Errorf("ended with %q", cause)
		}
	})
}

func TestTheOtherDirectionGoesOnAfterOneHasEnded(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		for _, clientFirst := range []bool{true, false} {
			e := connect(t)
			wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)}))
			first, second := e.client, e.endpoint
			if !clientFirst {
				first, second = second, first
			}
			io.WriteString(first, "all I say")
			first.CloseWrite()
			if all, err := io.ReadAll(second); string(all) != "all I say" || err != nil {
				t.Fatalf("got %q, %v", all, err)
			}
			one := make([]byte, 1)
			for range 10 {
				second.Write(one)
				if _, err := io.ReadFull(first, one); err != nil {
					t.Fatal(err)
				}
			}
			second.Close()
			if n, err := first.Read(one); err != io.EOF {
				t.Errorf("then got %d bytes, %v", n, err)
			}
			if cause := wait(); cause != relay.Well {
				t.Errorf("ended with %q", cause)
			}
		}
	})
}

func TestMuchBothWaysAtOnceArrivesAsItWasSent(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		e := connect(t)
		stats := new(proxy.Stats)
		wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Stats: stats, Idle: time.Minute}))
		var sides sync.WaitGroup
		var sent, got [2][32]byte
		for i, c := range []*net.TCPConn{e.client, e.endpoint} {
			sides.Go(func() { sent[i] = feed(t, c, uint64(i), bulk) })
			sides.Go(func() { got[1-i] = sum(t, c) })
		}
		sides.Wait()
		if got != sent {
			t.Error("other bytes came than were sent")
		}
		if cause := wait(); cause != relay.Well {
			t.Errorf("ended with %q", cause)
		}
		for d, name := range proxy.Directions {
			spliced, copied := stats.TCPBytes[d][proxy.Spliced].Load(), stats.Copied(proxy.Direction(d))
			t.Log(name, "spliced", spliced, "copied", copied)
			if spliced+copied != bulk {
				t.Errorf("%s: counted %d bytes, want %d", name, spliced+copied, bulk)
			}
		}
	})
}

// feed sends n bytes that seed decides, closes that direction, and returns
// their checksum.
func feed(t *testing.T, c *net.TCPConn, seed uint64, n int64) (s [32]byte) {
	noise := rand.NewChaCha8([32]byte{byte(seed)})
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(c, hash), io.LimitReader(noise, n)); err != nil {
		t.Error(err)
	}
	c.CloseWrite()
	hash.Sum(s[:0])
	return s
}

// sum reads until the end.
func sum(t *testing.T, c *net.TCPConn) (s [32]byte) {
	hash := sha256.New()
	if _, err := io.Copy(hash, c); err != nil {
		t.Error(err)
	}
	hash.Sum(s[:0])
	return s
}

// Who does not read stops who sends: of what was written nothing is held but
// what sockets and one pipe hold, and nothing is lost.
func TestASlowReaderHoldsTheSenderBack(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		for _, upward := range []bool{true, false} {
			e := connect(t)
			wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)}))
			from, to := e.client, e.endpoint
			if !upward {
				from, to = to, from
			}
			written := fill(t, from)
			from.CloseWrite()
			if n, err := io.Copy(io.Discard, to); n != int64(written) || err != nil {
				t.Errorf("%d bytes were written, %d arrived, %v", written, n, err)
			}
			to.CloseWrite()
			if cause := wait(); cause != relay.Well {
				t.Errorf("ended with %q", cause)
			}
		}
	})
}

// fill writes until nobody takes any more.
func fill(t *testing.T, c *net.TCPConn) (written int) {
	t.Helper()
	for p := make([]byte, 64<<10); written < 64<<20; {
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := c.Write(p)
		if written += n; err != nil {
			c.SetWriteDeadline(time.Time{})
			return written
		}
	}
	t.Fatal("nothing holds the sender back")
	return 0
}

func TestCutEndsARelayWheneverItComes(t *testing.T) {
	const why relay.Cause = "because"
	each(t, func(t *testing.T, relayed maker) {
		t.Run("before Run", func(t *testing.T) {
			e := connect(t)
			r := relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
			r.Cut(why)
			r.Cut("later")
			if cause := r.Run(); cause != why {
				t.Errorf("ended with %q", cause)
			}
			wantReset(t, e.client, e.endpoint)
		})
		t.Run("during Run", func(t *testing.T) {
			e := connect(t)
			r := relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
			wait := run(r)
			io.WriteString(e.client, "x")
			io.ReadFull(e.endpoint, make([]byte, 1))
			r.Cut(why)
			if cause := wait(); cause != why {
				t.Errorf("ended with %q", cause)
			}
			wantReset(t, e.client, e.endpoint)
		})
		t.Run("in the middle of much", func(t *testing.T) {
			e := connect(t)
			r := relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
			wait := run(r)
			var sides sync.WaitGroup
			for _, c := range []*net.TCPConn{e.client, e.endpoint} {
				sides.Go(func() { io.Copy(c, rand.NewChaCha8([32]byte{})) })
			}
			io.CopyN(io.Discard, e.endpoint, 1<<20) // and now it is held
			r.Cut(why)
			if cause := wait(); cause != why {
				t.Errorf("ended with %q", cause)
			}
			sides.Wait()
		})
		t.Run("after Run", func(t *testing.T) {
			e := connect(t)
			r := relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
			e.client.Close()
			e.endpoint.Close()
			if cause := r.Run(); cause != relay.Well {
				t.Errorf("ended with %q", cause)
			}
			r.Cut(why)
		})
	})
}

func wantReset(t *testing.T, conns ...*net.TCPConn) {
	t.Helper()
	for _, c := range conns {
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read ended with %v, want a reset", err)
		}
	}
}

// A moment in the life of a relay, and what comes next makes one side reset it.
var moments = []struct {
	name   string
	writes bool // the other is writing, and that may be told instead of who reads
	come   func(t *testing.T, resets, other *net.TCPConn)
}{
	{"before any byte", false, func(*testing.T, *net.TCPConn, *net.TCPConn) {}},
	{"between messages", false, func(t *testing.T, resets, other *net.TCPConn) {
		pass(t, resets, other)
		pass(t, other, resets)
	}},
	{"with a message unread", false, func(t *testing.T, resets, other *net.TCPConn) {
		pass(t, resets, other)
		io.WriteString(other, "never read")
	}},
	{"after the other has closed its direction", false, func(t *testing.T, resets, other *net.TCPConn) {
		other.CloseWrite()
		wantEnd(t, resets)
	}},
	{"while it sends much", false, func(t *testing.T, resets, other *net.TCPConn) {
		go io.Copy(resets, rand.NewChaCha8([32]byte{}))
		if _, err := io.CopyN(io.Discard, other, 1<<20); err != nil {
			t.Error(err)
		}
	}},
	{"while it is sent much", true, func(t *testing.T, resets, other *net.TCPConn) {
		go io.Copy(other, rand.NewChaCha8([32]byte{}))
		if _, err := io.CopyN(io.Discard, resets, 1<<20); err != nil {
			t.Error(err)
		}
	}},
}

func TestAResetIsPassedOnWheneverItComes(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		for _, tc := range moments {
			for cause, byClient := range map[relay.Cause]bool{relay.ClientGone: true, relay.EndpointReset: false} {
				t.Run(tc.name+", "+string(cause), func(t *testing.T) {
					e := connect(t)
					wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)}))
					resets, other := e.endpoint, e.client
					if byClient {
						resets, other = other, resets
					}
					tc.come(t, resets, other)
					abort(resets)
					_, err := io.Copy(io.Discard, other)
					if !errors.Is(err, syscall.ECONNRESET) && !(err == nil && tc.writes) {
						t.Errorf("reading ends with %v, want a reset", err)
					}
					if got := wait(); got != cause {
						t.Errorf("ended with %q, want %q", got, cause)
					}
					if _, err := other.Write([]byte("x")); err == nil {
						t.Error("the other side can still write")
					}
				})
			}
		}
	})
}

// pass sends a message from one side to the other.
func pass(t *testing.T, from, to *net.TCPConn) {
	t.Helper()
	var got [7]byte
	io.WriteString(from, "message")
	if _, err := io.ReadFull(to, got[:]); err != nil || string(got[:]) != "message" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func wantEnd(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("got %d bytes, %v; want the end", n, err)
	}
}

func TestEndsAreToldApart(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		for _, tc := range []struct {
			name string
			idle time.Duration
			end  func(e ends)
			want relay.Cause
		}{
			{"silence", 200 * time.Millisecond, func(ends) {}, relay.Idle},
			{"silence with nobody reading", 200 * time.Millisecond, func(e ends) { fill(t, e.client) }, relay.Idle},
			{"client resets", 0, func(e ends) { abort(e.client) }, relay.ClientGone},
			{"endpoint resets", 0, func(e ends) { abort(e.endpoint) }, relay.EndpointReset},
			{"both close", 0, func(e ends) { e.client.CloseWrite(); e.endpoint.CloseWrite() }, relay.Well},
		} {
			e := connect(t)
			idle := new(atomic.Uint64)
			r := relayed(t, e.inClient, e.inEnd, relay.Options{Idle: tc.idle, Stats: new(proxy.Stats), IdleTimeouts: idle, NoteFirst: true})
			io.WriteString(e.endpoint, "x") // it is there before any silence
			wait := run(r)
			io.ReadFull(e.client, make([]byte, 1))
			tc.end(e)
			if cause := wait(); cause != tc.want {
				t.Errorf("%s: ended with %q, want %q", tc.name, cause, tc.want)
			}
			if n := idle.Load(); n != 0 != (tc.want == relay.Idle) {
				t.Errorf("%s: %d idle timeouts", tc.name, n)
			}
			if r.First().IsZero() {
				t.Errorf("%s: the first byte's time was not noted", tc.name)
			}
		}
	})
}

func TestEveryByteBeginsTheIdleTimeoutAnew(t *testing.T) {
	each(t, func(t *testing.T, relayed maker) {
		const idle = 100 * time.Millisecond
		e := connect(t)
		wait := run(relayed(t, e.inClient, e.inEnd, relay.Options{Idle: idle, Stats: new(proxy.Stats)}))
		begun, last := time.Now(), time.Now()
		for from, to := e.client, e.endpoint; ; from, to = to, from {
			sent := time.Now()
			from.Write([]byte("x"))
			if _, err := to.Read(make([]byte, 1)); err != nil {
				break // a busy machine: we were too slow
			}
			last = sent
			if last.Sub(begun) > 3*idle {
				break
			}
			time.Sleep(idle / 4)
		}
		if cause := wait(); cause != relay.Idle {
			t.Errorf("ended with %q", cause)
		}
		if silent := time.Since(last); silent < idle {
			t.Errorf("ended after %v of silence, not %v", silent, idle)
		}
	})
}

func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
