package balance_test

import (
	"math"
	"slices"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

// load gives each candidate that many active leases.
func load(c []balance.Candidate, active ...int) {
	for i, n := range active {
		for range n {
			c[i].Load.Acquire(0)
		}
	}
}

func TestLeastRequestTakesTheLeastOfUpToEight(t *testing.T) {
	c := balancetest.Candidates(1, 1, 1, 1, 1, 1, 1, 1)
	load(c, 5, 4, 3, 9, 1, 3, 2, 7)
	p := balance.LeastRequest(2, 1)(c)
	for range 1000 {
		if e := p.Pick(balance.Request{}); e != c[4].Endpoint {
			t.Fatalf("picked %s with %d active, not %s with %d", e.ID, e.Load.Active(), c[4].ID, c[4].Load.Active())
		}
	}
}

func TestLeastRequestBreaksTiesEvenly(t *testing.T) {
	c := balancetest.Candidates(1, 1, 1, 1, 1)
	load(c, 3, 2, 3, 2, 2) // those that tie are not neighbours
	p := balance.LeastRequest(2, 1)(c)
	count := make(map[*balance.Endpoint]int)
	for range 30000 {
		count[p.Pick(balance.Request{})]++
	}
	for i, c := range c {
		n := count[c.Endpoint]
		if tied := i == 1 || i >= 3; tied && (n < 9400 || n > 10600) || !tied && n > 0 {
			t.Errorf("endpoint %d got %d of 30000 picks", i, n)
		}
	}
}

// With k distinct samples of n, the busiest wins never, and the idlest whenever
// it is sampled: in k of n picks.
func TestLeastRequestSamplesAreDistinct(t *testing.T) {
	const n, picks = 20, 40000
	c := balancetest.Candidates(slices.Repeat([]uint32{1}, n)...)
	for i := range c {
		load(c[i:], i)
	}
	for choices := 2; choices <= 10; choices++ {
		// Seeded: with tails as thin as these chance would exceed the limit below once
		// in twenty thousand runs.
		p := balance.Seeded(balance.LeastRequest(choices, 1), 1)(c)
		count := make(map[*balance.Endpoint]int)
		for range picks {
			count[p.Pick(balance.Request{})]++
		}
		// The i-th least busy wins if it is sampled and none of the i below it.
		win := float64(choices) / n
		for i := range c {
			want := picks * win
			if got := float64(count[c[i].Endpoint]); math.Abs(got-want) > 6*math.Sqrt(want)+1 {
				t.Errorf("%d choices: number %d by load got %.0f picks, want about %.0f", choices, i, got, want)
			}
			win *= float64(n-i-choices) / float64(n-i-1)
		}
	}
}

// Leases that are held are spread by weight, however they are ended.
func TestLeastRequestHoldsLeasesByWeight(t *testing.T) {
	for _, weights := range [][]uint32{
		{1, 2, 5},
		{1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4},
	} {
		c := balancetest.Candidates(weights...)
		p := balance.LeastRequest(10, 1)(c)
		const leases = 8000
		var sum float64
		for _, w := range weights {
			sum += float64(w)
		}
		for range leases {
			p.Pick(balance.Request{}).Load.Acquire(0)
		}
		for i, c := range c {
			want := leases * float64(weights[i]) / sum
			if got := float64(c.Load.Active()); got < want*0.97 || got > want*1.03 {
				t.Errorf("weights %d: endpoint %d holds %.0f leases, want about %.0f", weights, i, got, want)
			}
		}
	}
}

// The rule in the comment, decided by hand: two endpoints, so both are looked at.
func TestLeastRequestWeightedRule(t *testing.T) {
	for _, test := range []struct {
		weights [2]uint32
		active  [2]int
		bias    float64
		always  int // who must be picked whoever is drawn first; -1: the first drawn
	}{
		{[2]uint32{2, 1}, [2]int{0, 0}, 1, -1},
		{[2]uint32{2, 1}, [2]int{4, 0}, 1, 1},   // 1/1 ≤ 4/2
		{[2]uint32{2, 1}, [2]int{4, 2}, 1, -1},  // 3/1 > 4/2 and 5/2 > 2/1
		{[2]uint32{2, 1}, [2]int{3, 2}, 1, 0},   // 4/2 ≤ 2/1
		{[2]uint32{2, 1}, [2]int{9, 1}, 0, -1},  // load does not count
		{[2]uint32{2, 1}, [2]int{9, 1}, -3, -1}, // nor here
		{[2]uint32{2, 1}, [2]int{9, 1}, math.NaN(), -1},
		{[2]uint32{4, 1}, [2]int{15, 1}, 0.5, 0},          // √16/4 ≤ √1/1, and √2/1 > √15/4
		{[2]uint32{100, 1}, [2]int{3, 1}, math.Inf(1), 1}, // weight does not count
		{[2]uint32{math.MaxUint32, 1}, [2]int{1000, 5}, 1e-3, 0},
	} {
		c := balancetest.Candidates(test.weights[:]...)
		load(c, test.active[:]...)
		p := balance.LeastRequest(2, test.bias)(c)
		met := make(map[*balance.Endpoint]bool)
		for range 2000 {
			met[p.Pick(balance.Request{})] = true
		}
		if test.always < 0 && len(met) != 2 || test.always >= 0 && (len(met) != 1 || !met[c[test.always].Endpoint]) {
			t.Errorf("weights %d, active %d, bias %v: met %d endpoints, the first %v; want %d", test.weights, test.active, test.bias, len(met), met[c[0].Endpoint], test.always)
		}
	}
}

// Without counters nobody is busy; that is no reason to crash.
func TestLeastRequestWithoutLoad(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1}, {1, 2}} {
		c := balancetest.Candidates(weights...)
		for i := range c {
			c[i].Load = nil
		}
		if balance.LeastRequest(0, 1)(c).Pick(balance.Request{}) == nil {
			t.Error("picked nobody")
		}
	}
}
