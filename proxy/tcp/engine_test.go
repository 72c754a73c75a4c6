package tcp_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

func TestSilenceEndsConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, func(s *proxy.Service) { s.Timeout = 50 * time.Millisecond }, endpoint(t, func(c *net.TCPConn) {
			io.Copy(io.Discard, c)
		}))
		start := time.Now()
		if _, err := b.dial().Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read ended with %v, want the end", err)
		}
		if d := time.Since(start); d < 50*time.Millisecond {
			t.Fatalf("closed after %v", d)
		}
		b.wantCause("connection_read_timeout")
		if n := b.engine.Counters().IdleTimeouts.Load(); n != 1 {
			t.Errorf("%d idle timeouts", n)
		}
	})
}

func TestSilenceEndsConnectionWithAResetIfTheServiceSaysSo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		ended := make(chan error, 1)
		b := setup(t, d, func(s *proxy.Service) { s.Timeout, s.ResetIdle = 50*time.Millisecond, true }, endpoint(t, func(c *net.TCPConn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}))
		wantReset(t, b.dial())
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the endpoint sees %v, want a reset", err)
		}
		b.wantCause("connection_read_timeout")
	})
}

// One direction that moves is enough, for several times the timeout.
func TestOneBusyDirectionKeepsTheConnection(t *testing.T) {
	eachDriverAtOnce(t, func(t *testing.T, d driver) {
		const timeout = time.Second
		b := setup(t, d, func(s *proxy.Service) { s.Timeout = timeout }, endpoint(t, func(c *net.TCPConn) {
			for range 15 {
				time.Sleep(timeout / 8)
				c.Write([]byte("."))
			}
		}))
		c := b.dial()
		if got, err := io.ReadAll(c); len(got) != 15 || err != nil {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		c.Close()
		b.wantCause("")
	})
}

func TestAbortCutsEverybody(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		t.Run("relaying", func(t *testing.T) {
			b := setup(t, d, nil, endpoint(t, echo))
			c := b.dial()
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			b.engine.Drain() // cuts nobody
			c.Write([]byte("y"))
			io.ReadFull(c, make([]byte, 1))
			b.engine.Abort()
			wantReset(t, c)
			b.wantRefusal() // and nobody new
			b.wantCause("aborted")
		})
		t.Run("connecting", func(t *testing.T) {
			b := setup(t, d, func(s *proxy.Service) { s.ConnectTimeout = time.Hour }, full(t))
			c := b.dial()
			eventually(t, "a dial", func() bool { _, _, active := b.load(); return active == 1 })
			b.engine.Abort()
			wantReset(t, c)
			b.wantCause("aborted")
		})
		t.Run("bulk", func(t *testing.T) {
			b := setup(t, d, nil, endpoint(t, echo))
			c := b.dial()
			uploadUntilReset(t, c, func() {
				io.CopyN(io.Discard, c, 4<<20)
				b.engine.Abort()
			})
			b.wantCause("aborted")
		})
	})
}

func TestManyAtOnce(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo), endpoint(t, echo))
		var clients sync.WaitGroup
		for i := range 200 {
			c := b.dial()
			clients.Go(func() {
				n := int64(1 + i*997%300_000)
				var up sync.WaitGroup
				var sent [32]byte
				up.Go(func() {
					sent = flood(c, n, byte(i))
					c.CloseWrite()
				})
				got, m := sumOf(c)
				up.Wait()
				if m != n || got != sent {
					t.Errorf("%d bytes came back of %d, or they differ", m, n)
				}
				c.Close()
			})
		}
		clients.Wait()
		for _, r := range b.settled() {
			if r["cause"] != "" {
				t.Errorf("record %v", r)
			}
		}
		for _, c := range b.service.Balancer.Snapshot().Candidates {
			if c.Load.Started() != 100 {
				t.Errorf("endpoint %s got %d of 200", c.ID, c.Load.Started())
			}
		}
	})
}

func TestUnixEndpointAndItsEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		must(t, err)
		var serving sync.WaitGroup
		serving.Go(func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "bye")
			c.Close() // an end, although a closed unix socket hangs up
		})
		t.Cleanup(func() { l.Close(); serving.Wait() })
		b := setup(t, d, nil, "unix:"+l.Addr().String())
		c := b.dial()
		if bye, err := io.ReadAll(c); string(bye) != "bye" || err != nil {
			t.Fatalf("%q, %v", bye, err)
		}
		c.Close()
		b.wantCause("")
	})
}

// A connection that is no socket, as one behind TLS, works and is copied.
func TestConnectionThatIsNoSocketIsCopied(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo))
		near, far := net.Pipe()
		var serving sync.WaitGroup
		serving.Go(func() { b.engine.ServeConn(far) })
		p := make([]byte, 1<<20)
		var up sync.WaitGroup
		up.Go(func() { near.Write(p) })
		if _, err := io.ReadFull(near, p); err != nil {
			t.Fatal(err)
		}
		up.Wait()
		near.Close()
		serving.Wait()
		b.settled()
		if n := b.service.Stats.Copied(proxy.FromClient); n != 1<<20 {
			t.Errorf("%d bytes copied", n)
		}
		if b.service.Stats.TCPBytes[proxy.FromClient][proxy.CopiedNoSocket].Load() == 0 && runtime.GOOS == "linux" {
			t.Error("no reason counted")
		}
	})
}

func TestAffinityKeepsClientOnOneEndpoint(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, func(s *proxy.Service) { s.Affinity = affinity.Rule{Kind: affinity.ClientIP} })
		must(t, b.service.Balancer.SetOptions(lb.Options{Policy: balance.Maglev(0), Endpoints: []balance.Endpoint{
			{Addr: endpoint(t, echo)}, {Addr: endpoint(t, echo)}, {Addr: endpoint(t, echo)},
		}}))
		for range 20 {
			c := b.dial()
			c.CloseWrite()
			io.ReadAll(c)
		}
		seen := map[any]bool{}
		for _, r := range b.settled() {
			seen[r["endpoint"]] = true
		}
		if len(seen) != 1 {
			t.Errorf("one client met %v", seen)
		}
		if n := b.service.Stats.AffinityHit.Load(); n != 20 {
			t.Errorf("%d keyed picks counted", n)
		}
	})
}

func TestConnectionKeepsTheServiceItBeganWith(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo))
		c := b.dial()
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		other, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{Addr: endpoint(t, func(c *net.TCPConn) {
			io.WriteString(c, "new")
		})}}})
		must(t, err)
		b.engine.SetService(&proxy.Service{Name: "other", Balancer: other, Stats: new(proxy.Stats)})
		if got, _ := io.ReadAll(b.dial()); string(got) != "new" {
			t.Errorf("a new connection got %q", got)
		}
		c.Write([]byte("y"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}
