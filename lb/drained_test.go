package lb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func TestADrainedGroupGetsNothingOfWhatSpills(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		p := newPlay(t, lb.Options{
			Service: capacity.ServicePolicy{AutoDrain: true},
			Policy:  policyFor(keyed),
			Here:    capacity.Place{Region: "r", Zone: "z1"},
			Groups: []lb.Group{
				group("a", "r", "z1", 5, rate(100)), group("b", "r", "z2", 5, rate(100)), group("c", "r", "z3", 5, rate(100)), group("far", "q", "z", 5, rate(100)),
			},
		})
		for i := range 4 {
			if err := p.SetHealth(fmt.Sprintf("c-%d", i), health.Unhealthy, "down"); err != nil {
				t.Fatal(err)
			}
		}
		p.pass(2 * time.Second)
		for _, demand := range []float64{250, 400} { // more than two can take, and more than all can
			if got := p.stream(demand, 3*time.Second, keyed); got["c"] != 0 || got["far"] == 0 {
				t.Errorf("keyed %v, demand %v: %v", keyed, demand, got)
			}
		}
	}
}

// Drained groups that serve because nobody else can are not shown as drained, whether it
// is their turn or not: the second of them is when the first is full.
func TestWhereAllWhoServeAreDrainedNobodyIsShownAsDrained(t *testing.T) {
	groups := []lb.Group{group("a", "r", "z1", 1, connections(2)), group("b", "q", "z2", 1, connections(2))}
	for _, name := range []string{"c", "d", "e"} {
		groups = append(groups, group(name, "p", "z3", 1, connections(2)))
	}
	p := newPlay(t, lb.Options{
		Panic:   lb.PanicOpen,
		Service: capacity.ServicePolicy{AutoDrain: true},
		Here:    capacity.Place{Region: "r", Zone: "z1"},
		Groups:  groups,
	})
	for _, id := range []string{"a-0", "b-0"} {
		p.finds(id, health.Unhealthy)
	}
	p.pass(2 * time.Second)
	if b := p.Status().Groups[1]; !b.Drained || b.Endpoints[0].Standing == lb.InUse {
		t.Fatalf("while others serve, b is %+v", b)
	}
	for _, id := range []string{"c-0", "d-0", "e-0"} {
		if err := p.SetAdmin(id, lb.Drain); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"a", "a", "b", "b"} {
		if b := p.Status().Groups[1]; b.Endpoints[0].Standing != lb.InUse {
			t.Errorf("pick %d: b-0 stands %v", i, b.Endpoints[0].Standing)
		}
		for _, c := range p.Explain(lb.Request{}).Candidates {
			if id := c.Endpoint.ID; (id == "a-0" || id == "b-0") && c.Dropped == lb.DroppedGroupDrained {
				t.Errorf("pick %d: explain drops %s as drained", i, id)
			}
		}
		if _, got := p.one(lb.Request{}); got != want {
			t.Errorf("pick %d went to %s, want %s", i, got, want)
		}
	}
}
