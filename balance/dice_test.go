package balance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

// Of every policy: the same seed gives the same picks, also after a change, and
// another seed gives others.
func TestSeededPicksRepeat(t *testing.T) {
	for _, name := range balance.Names() {
		policy := quickly(t, name)
		for _, weights := range [][]uint32{{1, 1, 1}, {1, 2, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
			of := func(seed uint64) string {
				seeded := balance.Seeded(policy, seed)
				var c []balance.Candidate
				for i, w := range weights {
					c = append(c, balance.Candidate{Endpoint: &balance.Endpoint{ID: fmt.Sprint(i), Weight: w, Load: new(balance.Load)}, Share: w})
				}
				var picks []string
				for range 3 {
					picker := seeded(c)
					for range 50 {
						e := picker.Pick(balance.Request{})
						e.Load.Acquire(0)
						picks = append(picks, e.ID)
					}
				}
				return strings.Join(picks, "")
			}
			a := of(1)
			if b := of(1); b != a {
				t.Errorf("%s, weights %v: %s and %s", name, weights, a, b)
			}
			if b := of(2); b == a && of(3) == a && of(4) == a {
				t.Errorf("%s, weights %v: four seeds give %s", name, weights, a)
			}
		}
	}
}

func TestASeedDoesNotChangeShares(t *testing.T) {
	for _, name := range balance.Names() {
		policy := quickly(t, name)
		var c []balance.Candidate
		for i, w := range []uint32{1, 3} {
			c = append(c, balance.Candidate{Endpoint: &balance.Endpoint{ID: fmt.Sprint(i), Weight: w, Load: new(balance.Load)}, Share: w})
		}
		picker := balance.Seeded(policy, 5)(c)
		count := map[string]int{}
		for range 10000 {
			e := picker.Pick(balance.Request{})
			e.Load.Acquire(0)
			count[e.ID]++
		}
		if share := float64(count["1"]) / 10000; share < 0.72 || share > 0.78 {
			t.Errorf("%s: weight 3 of 4 gets %.3f", name, share)
		}
	}
}
