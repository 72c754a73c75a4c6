package lb_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A fleet is options with a few groups, and what to do with the balancer.
type fleet struct {
	groups []lb.Group
	policy balance.Policy // default: MAGLEV
	then   func(*testing.T, *lb.Balancer)
}

func (f fleet) balancer(t *testing.T) *lb.Balancer {
	t.Helper()
	o := lb.Options{Groups: f.groups, Policy: f.policy, Here: capacity.Place{Region: "near", Zone: "z1"}}
	if o.Policy == nil {
		o.Policy = balance.Maglev(tableSize)
	}
	b, err := lb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if f.then != nil {
		f.then(t, b)
	}
	return b
}

const plenty = 1e9 // requests per second: nobody is ever full

// three is two groups near and one far.
func three(a, b, c int, targetB float64) []lb.Group {
	return []lb.Group{
		group("a", "near", "z1", a, rate(plenty)),
		group("b", "near", "z2", b, rate(targetB)),
		group("c", "far", "z3", c, rate(plenty)),
	}
}

// half makes so many of the near groups ill that a part of the keys begins far away.
func half(t *testing.T, b *lb.Balancer) {
	for _, id := range []string{"a-0", "a-1", "b-0", "b-1"} {
		if err := b.SetHealth(id, health.Unhealthy, "test"); err != nil {
			t.Fatal(err)
		}
	}
}

var fleets = map[string]fleet{
	"one group":        {groups: []lb.Group{group("a", "", "", 4, capacity.Backend{})}},
	"capacity of one":  {groups: []lb.Group{group("a", "near", "z1", 4, rate(plenty))}},
	"three groups":     {groups: three(4, 3, 2, plenty)},
	"an endpoint more": {groups: three(4, 4, 2, plenty)},
	"another target":   {groups: three(4, 3, 2, plenty/3)},
	"a group less":     {groups: three(4, 3, 2, plenty)[1:]},
	"one tier":         {groups: append(three(4, 3, 0, plenty)[:2], group("d", "near", "z1", 5, rate(plenty)))},
	"half is ill":      {groups: three(4, 3, 2, plenty), then: half},
	"rings":            {groups: three(4, 3, 2, plenty), policy: balance.RingHash(0, 0)},
}

// Moved is what one sees who asks both balancers for many keys; Owner is whom Pick
// finds.
func TestMovedIsWhatPicksSee(t *testing.T) {
	n := fewer(20_000, 5_000)
	rng := rand.New(rand.NewPCG(3, 4))
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = rng.Uint64()
	}
	owners, snapshots := make(map[string][]string), make(map[string]*lb.Snapshot)
	for name, f := range fleets {
		b := f.balancer(t)
		s := b.Snapshot()
		for _, key := range keys {
			l, err := b.Pick(context.Background(), lb.Request{Key: key, Keyed: true})
			if err != nil {
				t.Fatal(err)
			}
			l.Done(lb.Success)
			if owner := s.Owner(key); owner != l.Endpoint {
				t.Fatalf("%s: key %d belongs to %v, and Pick finds %s", name, key, owner, l.Endpoint.ID)
			}
			owners[name] = append(owners[name], l.Endpoint.ID)
		}
		snapshots[name] = s
		if parts := s.KeyParts(); name == "half is ill" && parts[len(parts)-1].Endpoint.ID != "c-1" {
			t.Error("no key begins far away")
		}
		sum := 0.0
		for _, p := range s.KeyParts() {
			sum += p.Part
			got := 0
			for _, id := range owners[name] {
				if id == p.Endpoint.ID {
					got++
				}
			}
			if math.Abs(float64(got)/float64(n)-p.Part) > 5*math.Sqrt(p.Part/float64(n)) {
				t.Errorf("%s: %s has %v of the keys, and got %d of %d", name, p.Endpoint.ID, p.Part, got, n)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%s: the parts sum to %v", name, sum)
		}
	}
	for from, a := range snapshots {
		for to, b := range snapshots {
			got := 0
			for i := range keys {
				if owners[from][i] != owners[to][i] {
					got++
				}
			}
			moved, ok := lb.Moved(a, b)
			if !ok || math.Abs(float64(got)/float64(n)-moved) > 5*math.Sqrt(moved*(1-moved)/float64(n))+1e-9 {
				t.Errorf("%s to %s: %v of the keys move, %v, and %d of %d did", from, to, moved, ok, got, n)
			}
		}
		if moved, _ := lb.Moved(a, fleets[from].balancer(t).Snapshot()); moved != 0 {
			t.Errorf("%s to itself moves %v", from, moved)
		}
	}
}

func TestKeysOfNobodyHaveNoOwner(t *testing.T) {
	some := fleets["three groups"].balancer(t).Snapshot()
	for name, f := range map[string]fleet{
		"no policy of keys":               {groups: three(2, 2, 2, plenty), policy: balance.RoundRobin()},
		"no policy of keys, one group":    {groups: three(2, 0, 0, plenty)[:1], policy: balance.Random()},
		"no policy of keys and no target": {groups: []lb.Group{group("a", "", "", 2, capacity.Backend{})}, policy: balance.RoundRobin()},
		"nobody":                          {groups: []lb.Group{{Name: "a"}}},
		"nobody in groups with targets":   {groups: three(0, 0, 0, plenty)},
	} {
		s := f.balancer(t).Snapshot()
		if owner := s.Owner(1); owner != nil || s.KeyParts() != nil {
			t.Errorf("%s: %v, %v", name, owner, s.KeyParts())
		}
		if _, ok := lb.Moved(some, s); ok {
			t.Errorf("%s: keys move", name)
		}
		if _, ok := lb.Moved(s, some); ok {
			t.Errorf("%s: keys come", name)
		}
	}
}
