package relay_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// ends are the outer ends of a relay, and the inner ones that it is made from.
type ends struct {
	client, endpoint *net.TCPConn
	inClient, inEnd  *netio.Conn
}

func connect(t *testing.T) (e ends) {
	e.client, e.inClient = pair(t)
	e.endpoint, e.inEnd = pair(t)
	return e
}

// pair is a connection of which the second end is the relay's.
func pair(t *testing.T) (*net.TCPConn, *netio.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	outer, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	inner, err := l.Accept()
	must(t, err)
	outer.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() {
		outer.Close()
		inner.Close()
	})
	return outer.(*net.TCPConn), netio.Wrap(inner)
}

// run starts a relay and returns how to wait for its end.
func run(r *relay.Relay) (wait func() relay.Cause) {
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
	e := connect(t)
	old := make([]byte, 100)
	for _, c := range []struct {
		outer *net.TCPConn
		inner *netio.Conn
	}{{e.client, e.inClient}, {e.endpoint, e.inEnd}} {
		c.inner.Write(old)
		io.ReadFull(c.outer, old)
		c.outer.Write(old)
		io.ReadFull(c.inner, old)
		c.inner.ReadBy(time.Now())
		c.inner.WriteBy(time.Now())
	}
	stats, counters := new(proxy.Stats), new(relay.Counters)
	wait := run(relay.New(e.inClient, e.inEnd, relay.Options{
		Early: [2][]byte{proxy.FromClient: []byte("early "), proxy.ToClient: []byte("hello ")},
		Stats: stats, Counters: counters,
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
		if n := stats.TCPBytes[d][proxy.Copied].Load(); n != want {
			t.Errorf("%s: counted %d bytes, want %d", proxy.Directions[d], n, want)
		}
	}
	if n := counters.Copied[relay.Small].Load(); n != 26 {
		t.Errorf("counted %d small bytes, want 26", n)
	}
}

func TestEarlyBytesGoBothWaysAtOnce(t *testing.T) {
	e := connect(t)
	// Neither side reads before it has sent all: much more than sockets hold.
	early := [2][]byte{make([]byte, 16<<20), make([]byte, 16<<20)}
	wait := run(relay.New(e.inClient, e.inEnd, relay.Options{Early: early, Stats: new(proxy.Stats)}))
	for _, c := range []*net.TCPConn{e.endpoint, e.client} {
		if _, err := io.ReadFull(c, make([]byte, 16<<20)); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
	}
	if cause := wait(); cause != relay.Well {
		t.Errorf("ended with %q", cause)
	}
}

func TestCutEndsARelayWheneverItComes(t *testing.T) {
	const why relay.Cause = "because"
	reset := func(t *testing.T, e ends) {
		for _, c := range []net.Conn{e.client, e.endpoint} {
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read ended with %v, want a reset", err)
			}
		}
	}
	t.Run("before Run", func(t *testing.T) {
		e := connect(t)
		r := relay.New(e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
		r.Cut(why)
		r.Cut("later")
		if cause := r.Run(); cause != why {
			t.Errorf("ended with %q", cause)
		}
		reset(t, e)
	})
	t.Run("during Run", func(t *testing.T) {
		e := connect(t)
		r := relay.New(e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
		wait := run(r)
		io.WriteString(e.client, "x")
		io.ReadFull(e.endpoint, make([]byte, 1))
		r.Cut(why)
		if cause := wait(); cause != why {
			t.Errorf("ended with %q", cause)
		}
		reset(t, e)
	})
	t.Run("after Run", func(t *testing.T) {
		e := connect(t)
		r := relay.New(e.inClient, e.inEnd, relay.Options{Stats: new(proxy.Stats)})
		e.client.Close()
		e.endpoint.Close()
		if cause := r.Run(); cause != relay.Well {
			t.Errorf("ended with %q", cause)
		}
		r.Cut(why)
	})
}

func TestEndsAreToldApart(t *testing.T) {
	for _, tc := range []struct {
		name string
		idle time.Duration
		end  func(e ends)
		want relay.Cause
	}{
		{"silence", 20 * time.Millisecond, func(ends) {}, relay.Idle},
		{"client resets", 0, func(e ends) { abort(e.client) }, relay.ClientGone},
		{"endpoint resets", 0, func(e ends) { abort(e.endpoint) }, relay.EndpointReset},
		{"both close", 0, func(e ends) { e.client.CloseWrite(); e.endpoint.CloseWrite() }, relay.Well},
	} {
		e := connect(t)
		counters := new(relay.Counters)
		r := relay.New(e.inClient, e.inEnd, relay.Options{Idle: tc.idle, Stats: new(proxy.Stats), Counters: counters, NoteFirst: true})
		wait := run(r)
		io.WriteString(e.endpoint, "x")
		io.ReadFull(e.client, make([]byte, 1))
		tc.end(e)
		if cause := wait(); cause != tc.want {
			t.Errorf("%s: ended with %q, want %q", tc.name, cause, tc.want)
		}
		if n := counters.IdleTimeouts.Load(); n != 0 != (tc.want == relay.Idle) {
			t.Errorf("%s: %d idle timeouts", tc.name, n)
		}
		if r.First().IsZero() {
			t.Errorf("%s: the first byte's time was not noted", tc.name)
		}
	}
}

func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
