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
