package lb_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// watched is a picker whose end can be seen.
type watched struct {
	balance.Picker
	first string // of its candidates: its group
}

// TestPickersLiveUntilTheyAreReplaced and not much longer: what the next one takes over
// of the last is there when it is built, also where in between a group had nobody; and
// those before that are gone.
func TestPickersLiveUntilTheyAreReplaced(t *testing.T) {
	group := func(name string, c capacity.Backend) lb.Group {
		return lb.Group{Name: name, Zone: name, Endpoints: named(name+"1", name+"2"), Capacity: c}
	}
	for name, c := range map[string]capacity.Backend{"by capacity": {Mode: capacity.Rate, MaxRate: 100}, "without": {}} {
		t.Run(name, func(t *testing.T) {
			built := make(map[string][]weak.Pointer[watched])
			policy := func(list []balance.Candidate) balance.Picker {
				p := &watched{balance.Maglev(251)(list), list[0].ID}
				runtime.GC()
				if all := built[p.first]; len(all) > 0 && all[len(all)-1].Value() == nil {
					t.Errorf("the last of %d pickers from %s on is gone before it is replaced", len(all), p.first)
				}
				built[p.first] = append(built[p.first], weak.Make(p))
				return p
			}
			b := newBalancer(t, lb.Options{Policy: policy, Groups: []lb.Group{group("a", c), group("b", c)}})
			for _, admin := range []lb.Admin{lb.Drain, lb.Ready, lb.Drain, lb.Ready} {
				for _, id := range []string{"a1", "a2", "b1"} { // for a while a has nobody
					if err := b.SetAdmin(id, admin); err != nil {
						t.Fatal(err)
					}
				}
			}
			runtime.GC()
			for first, all := range built {
				alive := 0
				for _, p := range all {
					if p.Value() != nil {
						alive++
					}
				}
				if len(all) < 4 || alive != 1 {
					t.Errorf("of %d pickers from %s on %d are alive, want 1 of 4 or more", len(all), first, alive)
				}
			}
			runtime.KeepAlive(b)
		})
	}
}
