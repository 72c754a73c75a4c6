package lb_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// By the real clock, with everybody at once: in no second does a group get 2 % more
// than its target.
func TestABurstKeepsTheRate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	for _, perSecond := range []int{1000, 20000} {
		b, err := lb.New(lb.Options{Groups: []lb.Group{group("a", "near", "z1", 3, rate(float64(perSecond))), group("b", "far", "z2", 3, rate(1e9))}, Here: capacity.Place{Region: "near", Zone: "z1"}})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var all [8][]time.Duration
		var picks sync.WaitGroup
		for g := range all {
			picks.Go(func() {
				for time.Since(begin) < 1300*time.Millisecond {
					l, err := b.Pick(context.Background(), lb.Request{})
					if err != nil {
						t.Error(err)
						return
					}
					if l.Endpoint.ID[0] == 'a' {
						all[g] = append(all[g], time.Since(begin))
					}
					l.Done(lb.Success)
				}
			})
		}
		picks.Wait()
		at := slices.Concat(all[:]...)
		slices.Sort(at)
		most, j := 0, 0
		for i := range at {
			for at[i]-at[j] >= time.Second {
				j++
			}
			most = max(most, i-j+1)
		}
		// Each of the eight may have been held up between its pick and the clock.
		if most > perSecond*102/100+len(all) {
			t.Errorf("%d in one second, and the target is %d", most, perSecond)
		}
		if len(at) < perSecond {
			t.Errorf("%d in all, of a target of %d", len(at), perSecond)
		}
	}
}
