package lb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// illBesideFull is a service of two groups in an open panic: a is well, and its two
// endpoints take one lease each; b's two are ill, and it takes ten requests a second.
func illBesideFull(t *testing.T, policy balance.Policy, zoneOfB capacity.Place) *play {
	a, b := group("a", "near", "z1", 2, rate(100)), group("b", zoneOfB.Region, zoneOfB.Zone, 2, rate(10))
	a.Endpoints[0].Max, a.Endpoints[1].Max = 1, 1
	p := newPlay(t, lb.Options{
		Policy: policy, Panic: lb.PanicOpen, PanicThreshold: 60,
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{a, b},
	})
	p.finds("b-0", health.Unhealthy)
	p.finds("b-1", health.Timeout)
	if !p.Status().Panic {
		t.Fatal("there is no panic")
	}
	return p
}

// spec.md §3.8: in an open panic the ill serve as well. While others take somebody they
// get no more than their rate, if that; when nobody else does, they get the rest.
func TestIllGroupsOfAnOpenPanicTakeWhomNobodyElseTakes(t *testing.T) {
	for where, zone := range map[string]capacity.Place{
		"in the same tier": {Region: "near", Zone: "z2"},
		"in another tier":  {Region: "far", Zone: "z3"},
	} {
		for name, keyed := range map[string]bool{"in turn": false, "keyed": true} {
			t.Run(where+", "+name, func(t *testing.T) {
				p := illBesideFull(t, policyFor(keyed), zone)
				got := make(map[string]int)
				for i := range 200 { // all at once, and nobody leaves
					l, g := p.one(lb.Request{Key: uint64(i) * 0x9e3779b97f4a7c15, Keyed: keyed})
					got[g]++
					if l.Endpoint.Max > 0 && l.Endpoint.Load.Active() > l.Endpoint.Max {
						t.Fatalf("%s has %d leases", l.Endpoint.ID, l.Endpoint.Load.Active())
					}
				}
				if got["a"] != 2 || got["b"] != 198 {
					t.Errorf("got %v", got)
				}
			})
		}
	}
}

// Whoever is well and only beyond its rate is overfilled before.
func TestIllGroupsOfAnOpenPanicAreNotOverfilledBesideThoseThatAreWell(t *testing.T) {
	p := illBesideFull(t, policyFor(false), capacity.Place{Region: "far", Zone: "z3"})
	var taken []lb.Lease
	for range 2 {
		l, _ := p.one(lb.Request{})
		taken = append(taken, l)
	}
	for _, l := range taken {
		l.Done(lb.Success)
	}
	if got := p.stream(300, 10*time.Second, false); got["b"] > 105 {
		t.Errorf("a group of 10 requests per second got %d in 10 s, of %v", got["b"], got)
	}
}

// Isolation, and the operator's word, hold here as well.
func TestTheLastResortIsNobodyWhomTheOperatorRulesOut(t *testing.T) {
	refused := func(what string, p *play) {
		t.Helper()
		for range 2 {
			p.one(lb.Request{})
		}
		if l, err := p.Pick(context.Background(), lb.Request{}); !errors.Is(err, lb.ErrSaturated) {
			t.Errorf("%s: got %v, %v", what, l.Endpoint, err)
		}
	}
	for _, isolation := range []capacity.Isolation{capacity.Nearest, capacity.Strict} {
		a, b := group("a", "near", "z1", 2, rate(100)), group("b", "far", "z3", 2, rate(10))
		a.Endpoints[0].Max, a.Endpoints[1].Max = 1, 1
		p := newPlay(t, lb.Options{
			Panic: lb.PanicOpen, PanicThreshold: 60,
			Here:    capacity.Place{Region: "near", Zone: "z1"},
			Service: capacity.ServicePolicy{Algorithm: capacity.WaterfallByRegion, Isolation: isolation},
			Groups:  []lb.Group{a, b},
		})
		p.finds("b-0", health.Unhealthy)
		p.finds("b-1", health.Unhealthy)
		refused("isolated", p)
	}
	p := illBesideFull(t, nil, capacity.Place{Region: "far", Zone: "z3"})
	if err := p.SetScaler("b", 0); err != nil {
		t.Fatal(err)
	}
	refused("drained", p)
}
