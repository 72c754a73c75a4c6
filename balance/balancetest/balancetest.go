package balancetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

// Run checks p, as a policy that hashes if its keyed picks look like it.
func Run(t *testing.T, p balance.Policy) {
	t.Helper()
	runAny(t, p)
	if hashes(p) {
		runHash(t, p)
	}
}

// RunHash checks p as [Run] does, and fails if it does not hash.
func RunHash(t *testing.T, p balance.Policy) {
	t.Helper()
	if !hashes(p) {
		t.Error("equal keys do not give equal endpoints, or all keys give the same one")
		return
	}
	runAny(t, p)
	runHash(t, p)
}

func runAny(t *testing.T, p balance.Policy) {
	t.Run("OnlyCandidatesComeBack", func(t *testing.T) { onlyCandidates(t, p) })
	t.Run("IdleSharesFollowWeights", func(t *testing.T) { idleShares(t, p) })
	t.Run("SingleCandidate", func(t *testing.T) { single(t, p) })
	t.Run("OneLeftOfMany", func(t *testing.T) { oneLeft(t, p) })
	t.Run("TenThousandCandidates", func(t *testing.T) { many(t, p) })
	t.Run("HugeWeights", func(t *testing.T) { huge(t, p) })
	t.Run("ConcurrentPicks", func(t *testing.T) { concurrent(t, p) })
	t.Run("PickDoesNotAllocate", func(t *testing.T) { noAllocation(t, p) })
}

func runHash(t *testing.T, p balance.Policy) {
	t.Run("EqualListsGiveEqualAnswers", func(t *testing.T) { equalBuilds(t, p) })
	t.Run("UnkeyedPicksSpread", func(t *testing.T) { unkeyed(t, p) })
	t.Run("RemovingOneMovesFew", func(t *testing.T) { removal(t, p) })
	t.Run("OutageMovesOnlyItsOwnKeys", func(t *testing.T) { outage(t, p) })
	t.Run("WarmUpOnlyTakesKeysBack", func(t *testing.T) { warmUp(t, p) })
	t.Run("AlternativesAreAllOnceThenNil", func(t *testing.T) { alternatives(t, p) })
	t.Run("SecondChoiceInherits", func(t *testing.T) { inheritance(t, p) })
}

// Candidates returns one candidate for each weight, sorted by ID, idle and with
// its whole weight as share.
func Candidates(weights ...uint32) []balance.Candidate {
	c := make([]balance.Candidate, len(weights))
	for i, w := range weights {
		addr := fmt.Sprintf("10.0.%03d.%03d:8080", i/256, i%256)
		c[i] = balance.Candidate{
			Endpoint: &balance.Endpoint{ID: addr, Addr: addr, Weight: w, Load: new(balance.Load)},
			Share:    w,
		}
	}
	return c
}

func equal(n int) []balance.Candidate {
	weights := make([]uint32, n)
	for i := range weights {
		weights[i] = 1
	}
	return Candidates(weights...)
}

// withShare returns c with another share for the i-th.
func withShare(c []balance.Candidate, i int, share uint32) []balance.Candidate {
	c = append([]balance.Candidate(nil), c...)
	c[i].Share = share
	return c
}

// without returns c without the i-th.
func without(c []balance.Candidate, i int) []balance.Candidate {
	return append(append([]balance.Candidate(nil), c[:i]...), c[i+1:]...)
}

// key returns the i-th of a fixed sequence of keys that are spread as hashes are.
func key(i int) uint64 {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func keyed(i int) balance.Request { return balance.Request{Key: key(i), Keyed: true} }

// answers returns whom the first n keys go to.
func answers(p balance.Picker, n int) []*balance.Endpoint {
	a := make([]*balance.Endpoint, n)
	for i := range a {
		a[i] = p.Pick(keyed(i))
	}
	return a
}

// hashes reports whether equal keys give equal endpoints and different keys do not.
func hashes(p balance.Policy) bool {
	picker := p(equal(10))
	first := answers(picker, 64)
	differ := false
	for range 4 {
		for i, e := range answers(picker, 64) {
			if e != first[i] {
				return false
			}
			differ = differ || e != first[0]
		}
	}
	return differ
}

// counter counts picks by endpoint.
type counter map[*balance.Endpoint]int

func countPicks(t *testing.T, p balance.Picker, c []balance.Candidate, n int) counter {
	t.Helper()
	share := make(map[*balance.Endpoint]uint32)
	for _, c := range c {
		share[c.Endpoint] = c.Share
	}
	count := make(counter)
	for i := range n {
		q := keyed(i)
		q.Keyed = i%2 == 0
		e := p.Pick(q)
		if e == nil {
			t.Fatalf("pick %d of %d candidates gave nobody", i, len(c))
		}
		if s, known := share[e]; s == 0 {
			t.Fatalf("pick %d gave %q (a candidate: %v, its share: 0)", i, e.ID, known)
		}
		count[e]++
	}
	return count
}

func onlyCandidates(t *testing.T, p balance.Policy) {
	for _, n := range []int{1, 2, 3, 8, 9, 10, 100} {
		c := equal(n)
		for i := range c {
			switch {
			case i%3 == 1:
				c[i].Share = 0 // configured, but out
			case i%7 == 3:
				e := *c[i].Endpoint
				e.Weight = 0
				c[i] = balance.Candidate{Endpoint: &e} // takes no new traffic
			}
		}
		countPicks(t, p(c), c, 2000)
	}
}

func idleShares(t *testing.T, p balance.Policy) {
	hash := hashes(p)
	for _, weights := range [][]uint32{
		{1, 1, 1},
		{1, 2},
		{5, 1, 1},
		{3, 3, 3, 1},
		{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		{100, 100, 100, 100, 100, 100, 100, 100, 100, 50},
	} {
		c := Candidates(weights...)
		count := countPicks(t, p(c), c, idlePicks)
		if hash {
			closeToWeights(t, c, count, idlePicks)
		} else {
			chiSquare(t, c, count, idlePicks)
		}
	}
}

// closeToWeights is for hashing, where the table itself is only near the weights.
func closeToWeights(t *testing.T, c []balance.Candidate, count counter, picks int) {
	t.Helper()
	var sum float64
	for _, c := range c {
		sum += float64(c.Share)
	}
	for _, c := range c {
		want := float64(picks) * float64(c.Share) / sum
		if got := float64(count[c.Endpoint]); got < want*0.6 || got > want*1.5 {
			t.Errorf("%d endpoints: %s has share %d of %v and got %v of %d picks, want about %.0f", len(count), c.ID, c.Share, sum, got, picks, want)
		}
	}
}

// chiSquare fails when counts stray from shares further than chance explains.
func chiSquare(t *testing.T, c []balance.Candidate, count counter, picks int) {
	t.Helper()
	var sum, chi2 float64
	for _, c := range c {
		sum += float64(c.Share)
	}
	for _, c := range c {
		want := float64(picks) * float64(c.Share) / sum
		d := float64(count[c.Endpoint]) - want
		chi2 += d * d / want
	}
	if limit := chiSquareLimit(len(c) - 1); chi2 > limit {
		t.Errorf("%d endpoints: chi-square of the shares is %.1f, above %.1f", len(c), chi2, limit)
	}
}

// chiSquareLimit is what chi-square exceeds once in a billion (Wilson and
// Hilferty's approximation, six standard deviations).
func chiSquareLimit(freedom int) float64 {
	k := float64(freedom)
	v := 2 / (9 * k)
	return k * math.Pow(1-v+6*math.Sqrt(v), 3)
}

func single(t *testing.T, p balance.Policy) {
	for _, weight := range []uint32{0, 1, math.MaxUint32} {
		c := Candidates(weight)
		c[0].Share = max(1, weight)
		countPicks(t, p(c), c, 100)
	}
}

func oneLeft(t *testing.T, p balance.Policy) {
	c := equal(1000)
	for i := range c {
		if i != 617 {
			c[i].Share = 0
		}
	}
	countPicks(t, p(c), c, 2000)
}

func many(t *testing.T, p balance.Policy) {
	c := equal(10000)
	if got := len(countPicks(t, p(c), c, 20000)); got < 3000 {
		t.Errorf("20000 picks of 10000 candidates met only %d of them", got)
	}
	for i := range c {
		if i%2 == 0 {
			c[i].Share = 0
		}
	}
	countPicks(t, p(c), c, 2000)
}

func huge(t *testing.T, p balance.Policy) {
	for _, weights := range [][]uint32{
		{math.MaxUint32, math.MaxUint32, math.MaxUint32},
		{math.MaxUint32, math.MaxUint32 - 1, math.MaxUint32 / 2},
		{1, math.MaxUint32},
		{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, math.MaxUint32},
	} {
		c := Candidates(weights...)
		const picks = 20000
		count := countPicks(t, p(c), c, picks)
		for _, c := range c {
			if c.Share == math.MaxUint32 && count[c.Endpoint] < picks/len(weights)/2 {
				t.Errorf("weights %d: %s got only %d of %d picks", weights, c.ID, count[c.Endpoint], picks)
			}
		}
	}
}

// concurrent is for the race detector, and counts leases as a balancer does.
func concurrent(t *testing.T, p balance.Policy) {
	for _, n := range []int{3, 40} {
		c := equal(n)
		c[0].Share = 0
		known := make(map[*balance.Endpoint]bool)
		for _, c := range c[1:] {
			known[c.Endpoint] = true
		}
		old := p(c)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				picker := old
				for i := range 500 {
					if g == 0 && i%100 == 99 {
						picker = p(c)
						if r, ok := picker.(balance.Resumer); ok {
							r.Resume(old)
						}
					}
					e := picker.Pick(balance.Request{Key: rand.Uint64(), Keyed: i%2 == 0, Try: i % 3 / 2})
					if !known[e] {
						t.Errorf("gave %v, which is not to be picked", e)
						return
					}
					e.Load.Acquire(0)
					e.Load.Release()
				}
			})
		}
		wg.Wait()
	}
}

func noAllocation(t *testing.T, p balance.Policy) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, n := range []int{1, 3, 12, 300} {
		c := equal(n)
		for _, c := range [][]balance.Candidate{c, withShare(Candidates(append(make([]uint32, n), 3, 5, 7)...), n+1, 2)} {
			picker := p(c)
			i := 0
			got := testing.AllocsPerRun(200, func() {
				picker.Pick(balance.Request{Key: key(i), Keyed: i%2 == 0, Try: i % 20})
				i++
			})
			if got != 0 {
				t.Errorf("%d candidates: %v allocations per pick", len(c), got)
			}
		}
	}
}
