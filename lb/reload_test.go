package lb_test

import (
	"context"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// Both groups turn keys away for a while. When demand has fallen so far that each
// could serve its own, those that went to the other must not keep its keys out.
func TestKeysComeHomeWhenDemandHasFallen(t *testing.T) {
	p := newPlay(t, lb.Options{
		Policy: balance.Maglev(tableSize),
		Groups: []lb.Group{group("a", "r", "z1", 3, rate(5000)), group("b", "r", "z2", 3, rate(5000)), group("c", "s", "z3", 3, rate(1e5))},
	})
	away := func() (n int) {
		for key := range uint64(2000) {
			x := p.Explain(lb.Request{Key: key * 0x9e3779b97f4a7c15, Keyed: true})
			if x.Group != x.Home {
				n++
			}
		}
		return n
	}
	for _, demand := range []float64{15000, 12000, 11000, 9800} {
		p.stream(demand, 3*time.Second, true)
	}
	if away() == 0 {
		t.Error("no key has ever been away")
	}
	p.stream(8850, 5*time.Second, true)
	if n := away(); n > 0 {
		t.Errorf("%d of 2000 keys are not at home, and their groups could be 88 %% full", n)
	}
}

// Its connections are still there when a group is.
func TestAGroupThatComesBackStillCountsItsConnections(t *testing.T) {
	a, b := group("a", "near", "z1", 2, connections(10)), group("b", "far", "z2", 2, connections(1000))
	p := newPlay(t, lb.Options{Here: capacity.Place{Region: "near", Zone: "z1"}, Groups: []lb.Group{a, b}})
	var held []lb.Lease
	for range 10 {
		l, _ := p.one(lb.Request{})
		held = append(held, l)
	}
	for _, groups := range [][]lb.Group{{b}, {b}, {a, b}} {
		if err := p.SetGroups(groups); err != nil {
			t.Fatal(err)
		}
	}
	if _, g := p.one(lb.Request{}); g != "b" {
		t.Errorf("the 11th connection went to %s, whose target is 10", g)
	}
	for _, l := range held {
		l.Done(lb.Success)
	}
	for range 10 {
		if _, g := p.one(lb.Request{}); g != "a" {
			t.Errorf("a has room, and a connection went to %s", g)
		}
	}
}

// One group, one line: a counter that is listed twice is none.
func TestSpillsAreOfTheGroupsThereAre(t *testing.T) {
	a, b, c := group("a", "near", "z1", 2, rate(10)), group("b", "far", "z2", 2, rate(1000)), group("c", "farther", "z3", 2, rate(1000))
	p := newPlay(t, lb.Options{Here: capacity.Place{Region: "near", Zone: "z1"}, Groups: []lb.Group{a, b, c}})
	for range 3 {
		p.stream(100, 2*time.Second, false)
		for _, groups := range [][]lb.Group{{a, c}, {a, b, c}} {
			if err := p.SetGroups(groups); err != nil {
				t.Fatal(err)
			}
		}
		p.stream(100, 2*time.Second, false)
		seen := make(map[string]bool)
		for _, s := range p.Status().Spills {
			if seen[s.To] || s.From != "a" {
				t.Fatalf("spills: %+v", p.Status().Spills)
			}
			seen[s.To] = true
		}
		if !seen["b"] {
			t.Fatalf("no spill to b: %+v", p.Status().Spills)
		}
	}
}

// Health that does not come from Run outlives a change of the options, which knows
// nothing of it.
func TestHealthFromElsewhereOutlivesAReload(t *testing.T) {
	groups := []lb.Group{group("a", "r", "z1", 2, rate(100))}
	o := lb.Options{Groups: groups}
	p := newPlay(t, o)
	if err := p.SetHealth("a-0", health.Unhealthy, "down"); err != nil {
		t.Fatal(err)
	}
	status := func() health.Status { return p.Status().Groups[0].Endpoints[0].Health }
	for _, reload := range []func() error{func() error { return p.SetGroups(groups) }, func() error { return p.SetOptions(o) }} {
		if err := reload(); err != nil {
			t.Fatal(err)
		}
		if got := status(); got != health.Unhealthy {
			t.Errorf("a reload made it %v", got)
		}
	}
	// What a check has found is over with the check.
	checked := o
	checked.HealthCheck = &health.Check{}
	for _, o := range []lb.Options{checked, o} {
		if err := p.SetOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(); got != health.Healthy {
		t.Errorf("with its check gone it is %v", got)
	}
}

// Who was drained long ago, before there was no drain for a while, is not drained.
func TestDrainingBeginsAnewWhenItIsSwitchedOnAgain(t *testing.T) {
	o := lb.Options{
		Service: capacity.ServicePolicy{AutoDrain: true},
		Groups: []lb.Group{
			group("a", "r", "z1", 1, rate(100)), group("b", "r", "z2", 1, rate(100)), group("c", "r", "z3", 1, rate(100)),
		},
	}
	p := newPlay(t, o)
	set := func(s health.Status, on bool) {
		if err := p.SetHealth("a-0", s, "down"); err != nil {
			t.Fatal(err)
		}
		o.Service.AutoDrain = on
		if err := p.SetOptions(o); err != nil {
			t.Fatal(err)
		}
		_ = p.SetHealth("a-0", s, "down")
		p.pass(2 * time.Second)
	}
	set(health.Unhealthy, true)
	if !p.Status().Groups[0].Drained {
		t.Fatal("not drained")
	}
	set(health.Healthy, false)
	set(health.Healthy, true)
	if p.Status().Groups[0].Drained {
		t.Error("a healthy group is drained")
	}
}

// What a group can take is learned from the rate that it got while it reported, not
// from the time before somebody counted.
func TestTheFirstEstimateIsOfWhatWasSeen(t *testing.T) {
	for _, c := range []struct {
		name   string
		before time.Duration // without capacities
	}{{"from the start", 0}, {"after a reload", time.Hour}} {
		t.Run(c.name, func(t *testing.T) {
			plain := lb.Options{Groups: []lb.Group{group("a", "r", "z1", 1, capacity.Backend{})}}
			o := lb.Options{Groups: []lb.Group{group("a", "r", "z1", 1, capacity.Backend{Mode: capacity.Utilization, MaxUtilization: 0.8})}}
			if c.before == 0 {
				plain = o
			}
			p := newPlay(t, plain)
			p.pass(c.before)
			if err := p.SetOptions(o); err != nil {
				t.Fatal(err)
			}
			for range 8000 {
				l, err := p.Pick(context.Background(), lb.Request{})
				if err != nil {
					t.Fatal(err)
				}
				l.Done(lb.Success)
				r := health.NoLoadReport()
				r.CPU = 0.4
				p.Report("a-0", &r)
				p.pass(time.Millisecond)
				if target := p.Status().Groups[0].Target; target > 0 {
					near(t, "the first target", target, 2000, 0.05)
					return
				}
			}
			t.Error("no target after 8 seconds")
		})
	}
}
