package balance

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestChangedWeightMovesFewKeysMoreThanItMust compares the tables before and
// after a change of one weight. What must move is what some win and others lose.
func TestChangedWeightMovesFewKeysMoreThanItMust(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for round := range fewer(24, 8) {
		before := make([]uint32, 2+random.IntN(30))
		for i := range before {
			before[i] = random.Uint32N(1001) // as endpoints report them
		}
		before[0] = 1000
		after := append([]uint32(nil), before...)
		if round%2 == 0 {
			after[0] = 900 // the largest, which sets the pace of all others
		} else {
			after[random.IntN(len(after)-1)+1] = []uint32{0, 1, 500, 1000}[round/2%4]
		}
		was, is := slotsOf(before), slotsOf(after)
		moved, count := 0, make([]int, len(before))
		for slot := range was {
			count[was[slot]]--
			count[is[slot]]++
			if was[slot] != is[slot] {
				moved++
			}
		}
		must := 0
		for _, n := range count {
			must += max(0, n)
		}
		if extra := float64(moved-must) / float64(len(was)); extra > 0.01 {
			t.Errorf("from %v to %v: %d slots moved, %d had to", before, after, moved, must)
		}
	}
}

// slotsOf returns the owner of each slot of WEIGHTED_MAGLEV's table, by position
// in weights.
func slotsOf(weights []uint32) []uint16 {
	c := make([]Candidate, len(weights))
	for i, w := range weights {
		c[i] = Candidate{Endpoint: &Endpoint{ID: fmt.Sprintf("10.0.0.%03d:80", i), Weight: w}, Share: w}
	}
	return WeightedMaglev(0)(c).(*maglevTable[uint16]).resolved
}
