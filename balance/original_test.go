package balance_test

import (
	"net/netip"
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

func toDestination(addr string) balance.Request {
	return balance.Request{Key: 1, Keyed: true, Destination: netip.MustParseAddrPort(addr)}
}

func reachable(addrs ...string) []balance.Candidate {
	c := make([]balance.Candidate, len(addrs))
	for i, a := range addrs {
		c[i] = balance.Candidate{Endpoint: &balance.Endpoint{ID: string(rune('a' + i)), Addr: a, Weight: 1}, Share: 1}
	}
	return c
}

func TestOriginalDestinationIsWhomTheClientDialed(t *testing.T) {
	c := reachable("10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80", "10.0.0.1:443", "web.example:80", "unix:/run/web", "10.0.0.2:80")
	c[3].Share = 0 // out
	p := balance.OriginalDestination()(c)
	for addr, want := range map[string]*balance.Endpoint{
		"10.0.0.1:80":          c[0].Endpoint,
		"10.0.0.2:80":          c[1].Endpoint, // the first of two
		"[2001:db8::1]:80":     c[2].Endpoint,
		"[::ffff:10.0.0.1]:80": c[0].Endpoint,
		"10.0.0.1:443":         nil,
		"10.0.0.3:80":          nil,
		"0.0.0.0:80":           nil,
	} {
		if got := p.Pick(toDestination(addr)); got != want {
			t.Errorf("%s gave %v, want %v", addr, got, want)
		}
	}
}

func TestOriginalDestinationHasNoAlternative(t *testing.T) {
	p := balance.OriginalDestination()(reachable("10.0.0.1:80", "10.0.0.2:80"))
	if e := p.Pick(balance.Request{Key: 1, Keyed: true}); e != nil {
		t.Errorf("a client that was not redirected got %s", e.Addr)
	}
	r := toDestination("10.0.0.1:80")
	r.Try = 1
	if e := p.Pick(r); e != nil {
		t.Errorf("the second choice is %s", e.Addr)
	}
	if _, exact := p.(balance.Exact); !exact {
		t.Error("the picker is not Exact, so that a balancer may pick others")
	}
}

func TestOriginalDestinationDoesNotAllocate(t *testing.T) {
	p := balance.OriginalDestination()(reachable("10.0.0.1:80", "[2001:db8::1]:80"))
	r := toDestination("[2001:db8::1]:80")
	if n := testing.AllocsPerRun(100, func() { p.Pick(r) }); n != 0 {
		t.Errorf("%v allocations for a pick", n)
	}
}
