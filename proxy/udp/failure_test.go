package udp_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// Two of three endpoints refuse. Every client finds the third, whichever it is
// sent to first, and its session lives on.
func TestRefusingEndpointIsPassedOver(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		well := echo(t)
		b := setup{loops: loops, endpoints: []string{refusing(t), refusing(t), well}, policy: balance.Maglev(0)}.start(t)
		refusals, clients := &b.service.Stats.Attempts[proxy.AttemptConnectFailure], int64(0)
		for ; clients < 10 || clients < 50 && refusals.Load() == 0; clients++ { // a client's port decides whom it is sent to first
			c := b.dial("")
			ask := c.askUntil
			if loops {
				ask = c.ask
			}
			if got, want := ask("x"), well+" x"; got != want {
				t.Fatalf("client %d: got %q, want %q", clients, got, want)
			}
		}
		_, failed, active := b.load()
		refused := refusals.Load()
		if failed == 0 || failed != refused || active != clients {
			t.Errorf("%d failures, %d refusals, %d leases of %d clients", failed, refused, active, clients)
		}
		if n := b.Drops()[proxy.DropRefused].Load(); (n == 0) != loops { // else the first ones are lost
			t.Errorf("%d datagrams dropped for %d refusals", n, refused)
		}
		if log := b.log.String(); !strings.Contains(log, "connection refused") || !strings.Contains(log, "endpoint=127.0.0.1:") {
			t.Errorf("log does not explain: %s", log)
		}
		for _, r := range b.records() {
			if r["endpoint"] != well || r["cause"] != "aborted" { // by the end of the test
				t.Errorf("record %v", r)
			}
		}
	})
}

// With nobody else to ask the endpoint is asked again, and found when it is there.
func TestEndpointThatComesBackIsFound(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		addr, open := nobody(t)
		b := setup{loops: loops, endpoints: []string{addr}}.start(t)
		c := b.dial("")
		testkit.Eventually(t, func() bool {
			c.send("?")
			return b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load() > 1
		})
		open()
		endpoint(t, addr, func(_ netip.AddrPort, b []byte) []byte { return b })
		if got := c.askUntil("x"); got != "x" && got != "?" {
			t.Errorf("got %q", got)
		}
		if n := b.Active(); n != 1 {
			t.Errorf("%d sessions for one client", n)
		}
	})
}

func TestEndpointThatCannotBeReachedIsPassedOver(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		well := echo(t)
		// "no.invalid" is no name (RFC 6761).
		b := setup{loops: loops, endpoints: []string{"no.invalid:53", well}}.start(t)
		for range 4 {
			if got := b.dial("").ask("x"); got != well+" x" { // and none is lost
				t.Fatalf("got %q", got)
			}
		}
		if n := b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load(); n == 0 {
			t.Error("nobody was sent to the name")
		}
	})
}

func TestNameOfAnEndpointIsResolved(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		addr := netip.MustParseAddrPort(mirror(t))
		b := setup{loops: loops, endpoints: []string{fmt.Sprint("localhost:", addr.Port())}}.start(t)
		c := b.dial("")
		for i := range 3 { // the first ones wait, none is lost
			c.send(fmt.Sprint(i))
		}
		for i := range 3 {
			if got := c.receive(); got != fmt.Sprint(i) {
				t.Errorf("got %q, want %d", got, i)
			}
		}
	})
}

// The row maxConnections of spec.md §10.3: for UDP a session is one, and nobody waits.
func TestCircuitBreakerMaxConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		at := mirror(t)
		b := setup{loops: loops, endpoints: []string{at}}.start(t)
		if err := b.service.Balancer.SetOptions(lb.Options{
			Endpoints:       []balance.Endpoint{{Addr: at}},
			CircuitBreakers: &lb.CircuitBreakers{MaxConnections: 2},
		}); err != nil {
			t.Fatal(err)
		}
		first, second, third := b.dial(""), b.dial(""), b.dial("")
		first.ask("1")
		second.ask("2")
		third.send("3")
		testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropNoEndpoint].Load() == 1 })
		if n := b.service.Stats.Overflows[lb.MaxConnections].Load(); n != 1 {
			t.Errorf("%d overflows are counted", n)
		}
		if got := first.ask("again"); got != "again" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNobodyToPick(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{loops: loops}.start(t)
		c := b.dial("")
		c.send("x")
		testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropNoEndpoint].Load() == 1 })
		if n := b.Active(); n != 0 {
			t.Errorf("%d sessions", n)
		}
		b.SetService(nil)
		c.send("x")
		testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropNoEndpoint].Load() == 2 })
		if log := b.log.String(); !strings.Contains(log, "no endpoint") {
			t.Errorf("log does not explain: %s", log)
		}
	})
}

func TestSessionsEndBySilence(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		whileQuick(t, 500*time.Millisecond, func(timeout time.Duration) (longest time.Duration) {
			b := setup{loops: loops, endpoints: []string{mirror(t)}, service: proxy.Service{Timeout: timeout}}.start(t)
			for range 5 {
				began := time.Now()
				c := b.dial("")
				c.send("x")
				c.hears(timeout)
				longest = max(longest, time.Since(began))
			}
			if slow(longest, timeout) {
				return longest
			}
			time.Sleep(timeout)
			testkit.Eventually(t, func() bool { return b.Active() == 0 })
			if _, failed, active := b.load(); failed != 0 || active != 0 {
				t.Errorf("%d failures, %d leases", failed, active)
			}
			records := b.records()
			if len(records) != 5 {
				t.Errorf("%d records", len(records))
			}
			for _, r := range records {
				if r["cause"] != "" || r["total"].(float64) < timeout.Seconds() {
					t.Errorf("record %v", r)
				}
			}
			return longest
		})
	})
}

// What one side says is enough, for several times the timeout.
func TestOneBusyDirectionKeepsTheSession(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		whileQuick(t, time.Second, func(timeout time.Duration) (longest time.Duration) {
			back := make(chan netip.AddrPort, 1)
			addr, conn := endpoint(t, "127.0.0.1:0", func(from netip.AddrPort, _ []byte) []byte {
				select {
				case back <- from:
				default:
				}
				return nil
			})
			b := setup{loops: loops, endpoints: []string{addr}, service: proxy.Service{Timeout: timeout}}.start(t)
			c := b.dial("")
			last := time.Now()
			c.send("x")
			to := <-back
			for range 12 {
				time.Sleep(timeout / 8)
				conn.WriteToUDPAddrPort([]byte("."), to)
				got, heard := c.hears(timeout)
				longest = max(longest, time.Since(last))
				switch last = time.Now(); {
				case slow(longest, timeout):
					return longest
				case !heard || got != ".":
					t.Fatalf("got %q, %v", got, heard)
				}
			}
			if started, _, _ := b.load(); started != 1 || b.Active() != 1 {
				t.Errorf("%d sessions were begun, %d are there", started, b.Active())
			}
			return longest
		})
	})
}

// whileQuick calls f with a timeout, and with a longer one as long as the machine is
// too slow for that: f returns what took it longest, and then has proved nothing.
func whileQuick(t *testing.T, timeout time.Duration, f func(timeout time.Duration) (longest time.Duration)) {
	t.Helper()
	for slow(f(timeout), timeout) {
		if timeout *= 3; timeout > time.Minute {
			t.Fatal("no timeout is long enough for this machine")
		}
	}
}

// slow reports whether what took so long may have met the end of a timeout.
func slow(took, timeout time.Duration) bool { return took > timeout/2 }

func TestMaxSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		s := setup{loops: loops, endpoints: []string{mirror(t)}}
		s.options.MaxSessions = 2
		b := s.start(t)
		first, second, third := b.dial(""), b.dial(""), b.dial("")
		first.ask("1")
		second.ask("2")
		third.send("3")
		testkit.Eventually(t, func() bool { return b.Drops()[proxy.DropMaxSessions].Load() == 1 })
		if got := first.ask("again"); got != "again" {
			t.Errorf("got %q", got)
		}
		if n := b.Active(); n != 2 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestDoomedSessionsAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{loops: loops, endpoints: []string{echo(t), echo(t)}}.start(t)
		stays, goes := b.dial(""), b.dial("")
		stays.ask("x")
		before := goes.ask("x")
		var doomed *balance.Endpoint
		for _, c := range b.service.Balancer.Snapshot().Candidates {
			if strings.HasPrefix(before, c.Addr) {
				doomed = c.Endpoint
			}
		}
		must(t, b.service.Balancer.SetAdmin(doomed.ID, lb.Down))
		b.Cut(proxy.Doomed{proxy.PlaceOf(doomed): proxy.EndpointDown})
		testkit.Eventually(t, func() bool { return b.Active() == 1 })
		if after := goes.ask("x"); after == before {
			t.Errorf("still on %q", after)
		}
		if n := b.service.Stats.Cuts[proxy.EndpointDown].Load(); n != 1 {
			t.Errorf("%d cuts counted", n)
		}
		if started, failed, active := b.load(); started != 3 || failed != 0 || active != 2 {
			t.Errorf("%d leases, %d failed, %d now", started, failed, active)
		}
	})
}

func TestAbortEndsEverySession(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		s := setup{loops: loops, endpoints: []string{mirror(t)}}
		s.options.DrainTimeout = time.Hour
		b := s.start(t)
		b.dial("").ask("x")
		b.stop()
		b.Abort()
		for _, r := range b.records() { // which waits for Serve
			if r["cause"] != "aborted" {
				t.Errorf("record %v", r)
			}
		}
	})
}

// A listener that drains keeps whom it has, and takes nobody new.
func TestDrainTakesNobodyNew(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		s := setup{loops: loops, endpoints: []string{mirror(t)}}
		s.options.DrainTimeout = time.Hour
		b := s.start(t)
		c := b.dial("")
		c.ask("x")
		b.stop()
		// A stranger that is in time is none.
		testkit.Eventually(t, func() bool { b.dial("").send("?"); return b.Drops()[proxy.DropDraining].Load() > 0 })
		if got := c.ask("y"); got != "y" {
			t.Errorf("got %q", got)
		}
		for _, r := range b.records() {
			if r["cause"] != "" { // by silence, long before the timeout
				t.Errorf("record %v", r)
			}
		}
	})
}

func TestPerSessionKeepsAllOfAClientTogether(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		whileQuick(t, 2*time.Second, func(timeout time.Duration) time.Duration {
			service := proxy.Service{
				Affinity: affinity.Rule{Kind: affinity.ClientIPNoDestination},
				Tracking: proxy.Tracking{PerSession: true, IdleTimeout: timeout},
			}
			// Round robin would part them: it is tracking that keeps them together.
			b := setup{loops: loops, endpoints: []string{echo(t), echo(t), echo(t)}, service: service}.start(t)
			where := func(from string, ports int) map[string]bool {
				seen := map[string]bool{}
				for i := range ports {
					asks := fmt.Sprint("port ", i)
					addr, said, _ := strings.Cut(b.dial(from).askUntil(asks), " ")
					if said != asks {
						t.Errorf("%q is for somebody else", said)
					}
					seen[addr] = true
				}
				return seen
			}
			began := time.Now()
			one := where("127.0.0.2:0", 8)
			all := map[string]bool{}
			for i := range 3 {
				for addr := range where(fmt.Sprintf("127.0.0.%d:0", 3+i), 2) {
					all[addr] = true
				}
			}
			if took := time.Since(began); slow(took, timeout) {
				return took
			}
			if len(one) != 1 {
				t.Errorf("one client is on %v", one)
			}
			if len(all) != 3 {
				t.Errorf("three clients are on %v", all)
			}
			time.Sleep(timeout)
			testkit.Eventually(t, func() bool { return b.Active() == 0 }) // and nothing is remembered
			if seen := where("127.0.0.2:0", 1); len(seen) != 1 {
				t.Error(seen)
			}
			return 0
		})
	})
}

func TestAffinityKeepsAClientOnOneEndpoint(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		b := setup{
			loops: loops, endpoints: []string{echo(t), echo(t), echo(t)}, policy: balance.Maglev(0),
			service: proxy.Service{Affinity: affinity.Rule{Kind: affinity.ClientIP}},
		}.start(t)
		seen := map[string]bool{}
		for range 10 { // also what a client behind a NAT that rebinds looks like
			seen[b.dial("").ask("x")] = true
		}
		if len(seen) != 1 {
			t.Errorf("one client met %v", seen)
		}
		if n := b.service.Stats.AffinityHit.Load(); n != 10 {
			t.Errorf("%d keyed picks counted", n)
		}
		seen = map[string]bool{}
		for i := range 80 {
			seen[b.dial(fmt.Sprintf("127.0.1.%d:0", 1+i)).ask("x")] = true
		}
		if len(seen) != 3 {
			t.Errorf("80 clients met %v", seen)
		}
	})
}
