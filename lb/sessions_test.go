package lb_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func TestAStrictSessionHasItsEndpointOrNobody(t *testing.T) {
	for _, c := range []struct {
		name    string
		befalls func(b *lb.Balancer) error
		want    error
	}{
		{"well", func(*lb.Balancer) error { return nil }, nil},
		{"drained", func(b *lb.Balancer) error { return b.SetAdmin("e1", lb.Drain) }, nil},
		{"down", func(b *lb.Balancer) error { return b.SetAdmin("e1", lb.Down) }, lb.ErrNoEndpoint},
		{"unhealthy", func(b *lb.Balancer) error { return b.SetHealth("e1", health.Unhealthy, "down") }, lb.ErrNoEndpoint},
		{"removed", func(b *lb.Balancer) error {
			return b.SetOptions(lb.Options{Endpoints: []balance.Endpoint{{ID: "e0", Addr: "a:1"}}})
		}, lb.ErrNoEndpoint},
		{"at its max", func(b *lb.Balancer) error {
			_, err := b.Pick(context.Background(), lb.Request{Sticky: "e1"})
			return err
		}, lb.ErrSaturated},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "e0", Addr: "a:1"}, {ID: "e1", Addr: "b:1", Max: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.befalls(b); err != nil {
				t.Fatal(err)
			}
			strict, loose := lb.Request{Sticky: "e1", Strict: true}, lb.Request{Sticky: "e1"}
			if x := b.Explain(strict); !errors.Is(x.Err, c.want) {
				t.Errorf("explain says %v, want %v", x.Err, c.want)
			}
			l, err := b.Pick(context.Background(), strict)
			if !errors.Is(err, c.want) || err == nil && l.Endpoint.ID != "e1" {
				t.Errorf("strict: %v, %v; want %v", l.Endpoint, err, c.want)
			}
			if err == nil {
				l.Done(lb.Success)
			}
			if l, err := b.Pick(context.Background(), loose); err != nil || c.want != nil && l.Endpoint.ID != "e0" {
				t.Errorf("not strict: %v, %v", l.Endpoint, err)
			}
		})
	}
	b, _ := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "e0", Addr: "a:1"}, {ID: "e1", Addr: "b:1"}}})
	tried := lb.Request{Sticky: "e1", Strict: true, Avoid: []*balance.Endpoint{{ID: "e1"}}}
	if _, err := b.Pick(context.Background(), tried); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("tried before: %v", err)
	}
}

func TestADrainMovesSessionsWhereItIsTo(t *testing.T) {
	for _, moves := range []bool{false, true} {
		p := newPlay(t, lb.Options{Groups: sessionGroups(), Here: capacity.Place{Region: "eu"}, MoveSessions: moves})
		for what, happens := range map[string]func() error{
			"the endpoint": func() error { return p.SetAdmin("eu-a-0", lb.Drain) },
			"the group":    func() error { return p.SetScaler("eu-b", 0) },
		} {
			id := map[string]string{"the endpoint": "eu-a-0", "the group": "eu-b-0"}[what]
			if x := p.Explain(lb.Request{Sticky: id}); x.How != lb.BySession {
				t.Fatalf("a session is on %v before", x.Endpoint)
			}
			if err := happens(); err != nil {
				t.Fatal(err)
			}
			if x := p.Explain(lb.Request{Sticky: id}); (x.How == lb.BySession) == moves {
				t.Errorf("drains move sessions: %v; drain of %s: the session is on %s, %v", moves, what, x.Endpoint.ID, x.How)
			}
		}
	}
}

// Nobody takes new traffic for sure in a panic, and who is bound to somebody stays:
// else every request of a session would move it.
func TestAnOpenPanicMovesNoSession(t *testing.T) {
	b, err := lb.New(lb.Options{Panic: lb.PanicOpen, Endpoints: []balance.Endpoint{{ID: "e0", Addr: "a:1"}, {ID: "e1", Addr: "b:1"}, {ID: "e2", Addr: "c:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"e0", "e1", "e2"} {
		if err := b.SetHealth(id, health.Unhealthy, "the checker is wrong"); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if l, err := b.Pick(context.Background(), lb.Request{Sticky: "e1"}); err != nil || l.Endpoint.ID != "e1" {
			t.Fatal(l.Endpoint, err)
		}
	}
}

func TestIDsFromTheWireAreFound(t *testing.T) {
	b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "a", Addr: "a:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 200)
	if err := b.SetOptions(lb.Options{Endpoints: []balance.Endpoint{{ID: "a", Addr: "a:1"}, {ID: "bb", Addr: "b:1"}, {ID: "c", Addr: "c:1"}, {ID: long, Addr: "d:1"}}}); err != nil {
		t.Fatal(err)
	}
	s := b.Snapshot()
	for id, want := range map[string]bool{"a": true, "bb": true, "c": true, "": false, "b": false, "d": false, "aa": false, long: true} {
		if got, ok := s.Endpoint([]byte(id)); ok != want || ok && got != id {
			t.Errorf("%q: %q, %v", id, got, ok)
		}
	}
	wire := []byte(long)
	if n := testing.AllocsPerRun(100, func() { s.Endpoint(wire) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
