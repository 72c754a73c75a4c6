package lb_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// keyOf finds a key that belongs to an endpoint.
func keyOf(t *testing.T, b *lb.Balancer, id string) lb.Request {
	t.Helper()
	for key := range uint64(1000) {
		if e := b.Snapshot().Owner(key); e != nil && e.ID == id {
			return lb.Request{Key: key, Keyed: true}
		}
	}
	t.Fatalf("no key belongs to %s", id)
	return lb.Request{}
}

// Each row takes one lease of a first, and then another one.
func TestDisplacedIsWhoBelongsElsewhereAndFoundNoRoom(t *testing.T) {
	of := func(a, b int64) []balance.Endpoint { return []balance.Endpoint{one("a", a), one("b", b)} }
	for name, c := range map[string]struct {
		breakers *lb.CircuitBreakers
		ends     []balance.Endpoint
		request  func(b *lb.Balancer) lb.Request
		change   func(b *lb.Balancer) error
		want     lb.Displacement
	}{
		"a key at the max":            {ends: of(1, 9), want: lb.Displacement{AtMax: 1}},
		"a key at the max, and gated": {ends: of(1, 9), breakers: &lb.CircuitBreakers{MaxRequests: 9}, want: lb.Displacement{AtMax: 1}},
		"a key with room":             {ends: of(9, 9)},
		"nobody has room":             {ends: of(1, 1), change: func(b *lb.Balancer) error { _, err := b.Pick(t.Context(), lb.Request{Sticky: "b"}); return err }},
		"a session at the max":        {ends: of(1, 9), request: func(*lb.Balancer) lb.Request { return lb.Request{Sticky: "a"} }, want: lb.Displacement{AtMax: 1}},
		"a strict session at the max": {ends: of(1, 9), request: func(*lb.Balancer) lb.Request { return lb.Request{Sticky: "a", Strict: true} }},
		"a session whose one is ill":  {ends: of(9, 9), request: func(*lb.Balancer) lb.Request { return lb.Request{Sticky: "a"} }, change: func(b *lb.Balancer) error { return b.SetHealth("a", health.Unhealthy, "") }},
		"a key whose one is drained":  {ends: of(9, 9), change: func(b *lb.Balancer) error { return b.SetAdmin("a", lb.Drain) }},
		"a retry that avoids somebody": {ends: of(9, 9), request: func(b *lb.Balancer) lb.Request {
			r := keyOf(t, b, "a")
			r.Avoid = []*balance.Endpoint{{ID: "a"}}
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBalancer(t, lb.Options{Endpoints: c.ends, Policy: balance.Maglev(0), CircuitBreakers: c.breakers})
			r := keyOf(t, b, "a")
			pick(t, b, r)
			if c.request != nil {
				r = c.request(b)
			}
			if c.change != nil {
				if err := c.change(b); err != nil {
					t.Fatal(err)
				}
			}
			b.Explain(r) // counts nowhere
			_, _ = b.Pick(t.Context(), r)
			if got := b.Status().Displaced; got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDisplacedFromAGroupThatIsFull(t *testing.T) {
	groups := []lb.Group{group("a", "eu", "eu-a", 1, connections(1)), group("b", "eu", "eu-b", 1, connections(1))}
	p := newPlay(t, lb.Options{Name: "web", Policy: balance.Maglev(0), Groups: groups, Here: capacity.Place{Region: "eu", Zone: "eu-a"}})
	r := keyOf(t, p.Balancer, groups[0].Endpoints[0].ID)
	p.one(r)
	if got := p.Status().Displaced; got != (lb.Displacement{}) {
		t.Errorf("with room: %+v", got)
	}
	if _, group := p.one(r); group != "b" {
		t.Errorf("the second went to %s", group)
	}
	if got := p.Status().Displaced; got != (lb.Displacement{GroupFull: 1}) {
		t.Errorf("%+v", got)
	}
}
