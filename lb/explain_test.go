package lb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// troubled plays requests, and everything that can befall a service, from one
// seed.
type troubled struct {
	*play
	dice   *rand.Rand
	ids    []string
	groups []string
	held   []lb.Lease
	// What was met, so that a test can see that it has tested something.
	overfilled, spilled, failed, alternatives, sessions, turnedAway int
}

func newTroubled(t *testing.T, policy balance.Policy, groups []lb.Group, service capacity.ServicePolicy) *troubled {
	p := &troubled{dice: rand.New(rand.NewPCG(1, 2))}
	for _, g := range groups {
		p.groups = append(p.groups, g.Name)
		for _, e := range g.Endpoints {
			p.ids = append(p.ids, e.ID)
		}
	}
	p.play = newPlay(t, lb.Options{Name: "web", Policy: policy, Groups: groups, Service: service,
		Here: capacity.Place{Region: "eu", Zone: "eu-a"}})
	return p
}

// befall lets time pass and makes something happen, now and then.
func (p *troubled) befall() {
	p.pass(time.Duration(p.dice.IntN(20)) * time.Millisecond)
	id := p.ids[p.dice.IntN(len(p.ids))]
	var err error
	switch p.dice.IntN(40) {
	case 0:
		err = p.SetHealth(id, health.Unhealthy, "down")
	case 1, 2:
		err = p.SetHealth(id, health.Healthy, "")
	case 3:
		err = p.SetAdmin(id, lb.Admin(p.dice.IntN(3)))
	case 4, 5:
		err = p.SetAdmin(id, lb.Ready)
	case 6:
		_ = p.SetScaler(p.groups[p.dice.IntN(len(p.groups))], 0) // it may be the last
	case 7:
		_ = p.SetScaler(p.groups[p.dice.IntN(len(p.groups))], 0.5)
	case 8:
		_ = p.ResetScaler(p.groups[p.dice.IntN(len(p.groups))])
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for len(p.held) > 60 || len(p.held) > 0 && p.dice.IntN(3) == 0 {
		i := p.dice.IntN(len(p.held))
		p.held[i].Done(lb.Success)
		p.held = slices.Delete(p.held, i, i+1)
	}
}

// request is any.
func (p *troubled) request(keyed bool) lb.Request {
	r := lb.Request{Key: p.dice.Uint64(), Keyed: keyed}
	if p.dice.IntN(8) == 0 {
		r.Sticky = p.ids[p.dice.IntN(len(p.ids))]
	}
	for p.dice.IntN(6) == 0 {
		r.Avoid = append(r.Avoid, &balance.Endpoint{ID: p.ids[p.dice.IntN(len(p.ids))]})
	}
	return r
}

// ask explains a request, picks for it, and returns both.
func (p *troubled) ask(r lb.Request) (lb.Explanation, lb.Lease, error) {
	p.t.Helper()
	x := p.Explain(r)
	l, err := p.Pick(context.Background(), r)
	if err == nil {
		p.held = append(p.held, l)
	} else {
		p.failed++
	}
	if !errors.Is(x.Err, err) || (x.Endpoint == nil) != (err != nil) {
		p.t.Fatalf("explain says %v, pick %v", x.Err, err)
	}
	switch {
	case x.Overfilled:
		p.overfilled++
	case x.Home != "" && x.Home != x.Group:
		p.spilled++
	}
	switch x.How {
	case lb.BySession:
		p.sessions++
	case lb.ByAlternative:
		p.alternatives++
	}
	for _, c := range x.Candidates {
		if c.Dropped == lb.DroppedKeyTurnedAway {
			p.turnedAway++
		}
		if c.Endpoint == x.Endpoint && c.Dropped != "" {
			p.t.Fatalf("%s is chosen, and dropped: %s", c.Endpoint.ID, c.Dropped)
		}
	}
	return x, l, err
}

// limited are groups of three regions with a Max here and there.
func limited(c func(n float64) capacity.Backend) []lb.Group {
	groups := []lb.Group{
		group("eu-a", "eu", "eu-a", 4, c(30)), group("eu-b", "eu", "eu-b", 3, c(20)),
		group("us-a", "us", "us-a", 3, c(25)), group("ap-a", "ap", "ap-a", 2, c(10)),
	}
	for i := range groups {
		groups[i].Endpoints[0].Max = 5
		groups[i].Endpoints[1].Weight = 2
		for j := range groups[i].Endpoints {
			e := &groups[i].Endpoints[j]
			e.Weight = max(e.Weight, 1)
		}
	}
	return groups
}

var capacities = []struct {
	name string
	of   func(n float64) capacity.Backend
}{
	{"no capacity", func(float64) capacity.Backend { return capacity.Backend{} }},
	{"RATE", rate},
	{"large RATE", func(n float64) capacity.Backend { return rate(4 * n) }},
	{"CONNECTION", func(n float64) capacity.Backend { return connections(int64(n) / 2) }},
	{"IN_FLIGHT", func(n float64) capacity.Backend {
		return capacity.Backend{Mode: capacity.InFlight, MaxInFlight: int64(n) / 2}
	}},
	{"UTILIZATION", func(float64) capacity.Backend { return capacity.Backend{Mode: capacity.Utilization} }},
}

// played is how many requests of each kind go through explain and the data path.
var played = fewer(2_000, 700)

// TestTheDataPathAndExplainNeverDisagree plays 36,000 keyed requests through both.
func TestTheDataPathAndExplainNeverDisagree(t *testing.T) {
	for name, policy := range map[string]func() balance.Policy{
		"MAGLEV":          func() balance.Policy { return balance.Maglev(1031) },
		"WEIGHTED_MAGLEV": func() balance.Policy { return balance.WeightedMaglev(1031) },
		"RING_HASH":       func() balance.Policy { return balance.RingHash(256, 0) },
	} {
		for _, c := range capacities {
			t.Run(name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				p := newTroubled(t, policy(), limited(c.of), capacity.ServicePolicy{AutoDrain: true})
				p.each(c.name, func(n int) {
					r := p.request(true)
					x, l, err := p.ask(r)
					if err == nil && l.Endpoint != x.Endpoint {
						t.Fatalf("request %d, %+v: explain says %s, pick %s:\n%+v", n, r, x.Endpoint.ID, l.Endpoint.ID, x)
					}
				})
			})
		}
	}
}

// easy says what has been met too rarely, or nothing.
func (p *troubled) easy(capacities string) string {
	limits := capacities != "no capacity" && capacities != "UTILIZATION"
	switch {
	case p.alternatives < played/40 || p.sessions < played/40:
		return "too few went another way than the usual"
	case limits && (p.spilled < played/40 || p.overfilled < played/200):
		return "too few groups were full"
	}
	return ""
}

// each calls play for so many requests, and for more of them as long as it was too
// easy: policies draw, so nobody knows how long that takes.
func (p *troubled) each(capacities string, play func(n int)) {
	p.t.Helper()
	for n := 0; n < played || n < 10*played && p.easy(capacities) != ""; n++ {
		p.befall()
		play(n)
	}
	p.t.Logf("%d failed, %d alternatives, %d sessions, %d spilled, %d overfilled, %d turned away",
		p.failed, p.alternatives, p.sessions, p.spilled, p.overfilled, p.turnedAway)
	if why := p.easy(capacities); why != "" {
		p.t.Error(why)
	}
}

// TestWhoIsPickedWasACandidate: without a key the next pick need not have the
// explained one's winner, but it has one of those that were not dropped.
func TestWhoIsPickedWasACandidate(t *testing.T) {
	for name, policy := range map[string]func() balance.Policy{
		"ROUND_ROBIN": balance.RoundRobin, "RANDOM": balance.Random,
		"LEAST_REQUEST": func() balance.Policy { return balance.LeastRequest(2, 1) },
		"MAGLEV":        func() balance.Policy { return balance.Maglev(1031) },
	} {
		for _, c := range capacities {
			if c.name == "large RATE" {
				continue // a crowded group refuses this one and takes the next
			}
			t.Run(name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				p := newTroubled(t, policy(), limited(c.of), capacity.ServicePolicy{})
				p.each(c.name, func(n int) {
					x, l, err := p.ask(p.request(false))
					if err != nil {
						return
					}
					i := slices.IndexFunc(x.Candidates, func(c lb.Candidacy) bool { return c.Endpoint.ID == l.Endpoint.ID })
					if d := x.Candidates[i].Dropped; d != "" {
						t.Fatalf("request %d: %s is picked, which explain has dropped: %s\n%+v", n, l.Endpoint.ID, d, x)
					}
				})
			})
		}
	}
}

// TestExplainCountsNowhere: no number that anybody can see changes.
func TestExplainCountsNowhere(t *testing.T) {
	for _, c := range capacities {
		p := newTroubled(t, balance.Maglev(1031), limited(c.of), capacity.ServicePolicy{})
		for range 200 {
			p.befall()
			p.ask(p.request(p.dice.IntN(2) == 0))
		}
		before := fmt.Sprintf("%+v", p.Status())
		for range 200 {
			p.Explain(p.request(p.dice.IntN(2) == 0))
		}
		if after := fmt.Sprintf("%+v", p.Status()); after != before {
			t.Errorf("%s: before %s\nafter %s", c.name, before, after)
		}
	}
}

func TestStatusHasTheLastLoadReportWhileItCounts(t *testing.T) {
	p := newPlay(t, lb.Options{Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}}})
	r := health.NoLoadReport()
	r.CPU, r.Named = 0.5, []health.NamedMetric{{Name: "gpu", Value: 0.75}}
	p.Report("a", &r)
	r.Named[0].Value = 0 // it keeps nothing of r
	p.pass(2 * time.Second)
	e := p.Status().Groups[0].Endpoints
	if e[0].Load == nil || e[0].LoadAge != 2*time.Second || e[0].Load.CPU != 0.5 || e[0].Load.Named[0].Value != 0.75 || e[1].Load != nil {
		t.Errorf("%+v", e)
	}
	p.pass(time.Hour)
	if e := p.Status().Groups[0].Endpoints[0]; e.Load != nil {
		t.Errorf("an hour later it still counts: %+v", e.Load)
	}
}

// TestExplainTakesNothingFromTraffic: nothing is left of it, and nothing is given
// back that nobody took.
func TestExplainTakesNothingFromTraffic(t *testing.T) {
	groups := []lb.Group{group("near", "eu", "eu-a", 2, connections(8)), group("far", "us", "us-a", 2, connections(8))}
	b, err := lb.New(lb.Options{Groups: groups, Policy: balance.Maglev(1031)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for key := range uint64(2000) {
				b.Explain(lb.Request{Key: key, Keyed: n%2 == 0})
			}
		})
		all.Go(func() { // with 4 × 4 leases both groups are full
			for key := range uint64(500) {
				var held []lb.Lease
				for i := range uint64(4) {
					l, err := b.Pick(context.Background(), lb.Request{Key: key + i<<32, Keyed: n%2 == 0})
					if err != nil {
						t.Error(err) // a target refuses nobody
						return
					}
					held = append(held, l)
				}
				for _, l := range held {
					l.Done(lb.Success)
				}
			}
		})
	}
	all.Wait()
	for _, g := range b.Status().Groups {
		if g.Usage != 0 || g.Endpoints[0].Active != 0 || g.Endpoints[1].Active != 0 {
			t.Errorf("something is left: %+v", g)
		}
	}
}

// A group that has shut out keys lets them back when somebody comes, not when
// somebody looks.
func TestExplainOpensNoGate(t *testing.T) {
	p := newPlay(t, lb.Options{
		Policy: balance.Maglev(0),
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 1, connections(10)), group("b", "far", "z2", 1, connections(1000))},
	})
	keyed := lb.Request{Key: 7, Keyed: true}
	var held []lb.Lease
	for range 11 { // the last one finds a full, and shuts it
		l, _ := p.one(keyed)
		held = append(held, l)
	}
	for _, l := range held[:3] {
		l.Done(lb.Success)
	}
	if x := p.Explain(keyed); x.Group != "a" {
		t.Errorf("7 of 10: explain says %s", x.Group)
	}
	for range 2 {
		p.one(lb.Request{})
	}
	if x := p.Explain(keyed); x.Group != "b" {
		t.Errorf("9 of 10: explain says %s", x.Group)
	}
	if _, g := p.one(keyed); g != "b" {
		t.Errorf("9 of 10: a key came to %s", g)
	}
}
