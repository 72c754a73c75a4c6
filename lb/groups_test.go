package lb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// Also where what was measured changes nothing about who is nearer.
func TestStatusShowsHowFarZonesAreNow(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 1, rate(10)), group("b", "far", "z2", 1, rate(10))},
	})
	for _, took := range []time.Duration{20 * time.Millisecond, 400 * time.Millisecond} {
		for range 100 {
			p.Connected("b-0", took)
		}
		p.pass(2 * time.Second)
		if got := p.Status().Groups[1].RTT; got < took*9/10 || got > took*11/10 {
			t.Errorf("RTT %v, connecting takes %v", got, took)
		}
	}
}

// A group that is ill for a while gets back the keys that it had, whatever happens
// to them in between.
func TestAGroupThatIsWellAgainHasItsKeysBack(t *testing.T) {
	for _, panics := range []lb.PanicMode{lb.PanicClosed, lb.PanicOpen} {
		p := newPlay(t, lb.Options{
			Policy: balance.Maglev(tableSize), Panic: panics, PanicThreshold: 20,
			Service: capacity.ServicePolicy{AutoDrain: true},
			Groups:  []lb.Group{group("a", "r", "z1", 4, rate(3000)), group("b", "r", "z2", 4, rate(1000)), group("c", "r", "z3", 4, rate(2000)), group("d", "s", "z4", 4, rate(2000))},
		})
		owners := func() (all []string) {
			for key := range uint64(3000) {
				all = append(all, p.Snapshot().Owner(key*0x9e3779b97f4a7c15).ID)
			}
			return all
		}
		before := owners()
		for ill := 1; ill <= 4; ill++ {
			for _, to := range []health.Status{health.Unhealthy, health.Healthy} {
				for i := range ill {
					if err := p.SetHealth(fmt.Sprintf("a-%d", i), to, ""); err != nil {
						t.Fatal(err)
					}
				}
				p.pass(3 * time.Second)
				moved := 0
				for i, o := range owners() {
					if o != before[i] && before[i][0] != 'a' {
						moved++
					}
				}
				if moved > 0 {
					t.Errorf("%d of a %v: %d keys of others have moved", ill, to, moved)
				}
			}
			p.pass(100 * time.Second)
			after := owners()
			for i := range after {
				if after[i] != before[i] {
					t.Fatalf("%d ill, then well: key %d is with %s, and was with %s", ill, i, after[i], before[i])
				}
			}
		}
	}
}

// Where connections are limited beside the utilization, the region is as idle as the
// rates of its groups say.
func TestTheZonesOwnGroupGetsLittleMoreThanItsShareOfABusyRegion(t *testing.T) {
	c := capacity.Backend{Mode: capacity.Utilization, MaxUtilization: 0.8, MaxConnections: 1000}
	p := newPlay(t, lb.Options{
		Kind:   capacity.ProxyNetwork,
		Here:   capacity.Place{Region: "r", Zone: "z1"},
		Groups: []lb.Group{group("a", "r", "z1", 1, c), group("b", "r", "z2", 1, c)},
	})
	got := make(map[string]int)
	for i := range 60 {
		n := p.stream(100, time.Second, false)
		for _, g := range []string{"a", "b"} {
			r := health.NoLoadReport()
			r.CPU = float64(n[g]) / 100
			p.Report(g+"-0", &r)
			if i > 40 {
				got[g] += n[g]
			}
		}
	}
	if got["b"] < 750 {
		t.Errorf("a region more than half full: %v", got)
	}
}

// A key belongs to a group wherever the balancer is, and that is what its share says.
func TestWhatKeysAreExpectedToDo(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		p := newPlay(t, lb.Options{
			Policy: policyFor(keyed),
			Here:   capacity.Place{Region: "r", Zone: "z1"},
			Groups: []lb.Group{group("a", "r", "z1", 4, rate(200)), group("b", "r", "z2", 4, rate(100))},
		})
		p.stream(90, 12*time.Second, keyed) // 30 %: half of it goes by zone, if it does
		sum := 0.0
		for _, g := range p.Status().Groups {
			near(t, fmt.Sprintf("share of %s, keyed %v", g.Name, keyed), g.ShareActual, g.Share, 0.05)
			for _, e := range g.Endpoints {
				sum += e.ShareExpected
			}
		}
		near(t, "sum", sum, 1, 1e-9)
	}
}
