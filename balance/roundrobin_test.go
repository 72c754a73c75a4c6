package balance_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

func TestRoundRobinEqualSharesGiveEachOneInEveryRound(t *testing.T) {
	c := balancetest.Candidates(7, 7, 7, 7, 7)
	p := balance.RoundRobin()(c)
	for round := range 10 {
		met := make(map[*balance.Endpoint]bool)
		for range c {
			met[p.Pick(balance.Request{})] = true
		}
		if len(met) != len(c) {
			t.Fatalf("round %d met %d of %d endpoints", round, len(met), len(c))
		}
	}
}

// In any window, wherever it begins, everybody is less than two picks from the
// due; in a window of a whole period, exact.
func TestRoundRobinWeightedIsSmooth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		weights := make([]uint32, 1+random.IntN(12))
		period := 0
		for i := range weights {
			weights[i] = 1 + random.Uint32N(20)
			period += int(weights[i])
		}
		c := balancetest.Candidates(weights...)
		p := balance.RoundRobin()(c)
		index := make(map[*balance.Endpoint]int)
		for i := range c {
			index[c[i].Endpoint] = i
		}
		picks := make([]int, 2*period)
		for i := range picks {
			picks[i] = index[p.Pick(balance.Request{})]
		}
		for begin := range period {
			count := make([]int, len(c))
			for length := 1; length <= period; length++ {
				count[picks[begin+length-1]]++
				for i, n := range count {
					due := float64(length) * float64(weights[i]) / float64(period)
					if math.Abs(float64(n)-due) >= 2 || length == period && n != int(weights[i]) {
						t.Fatalf("weights %d: %d picks from the %d-th on have %d of endpoint %d, whose due is %.2f", weights, length, begin, n, i, due)
					}
				}
			}
		}
	}
}

func TestRoundRobinStartsAnywhere(t *testing.T) {
	c := balancetest.Candidates(1, 1, 1, 1)
	count := make(map[*balance.Endpoint]int)
	for range 4000 {
		count[balance.RoundRobin()(c).Pick(balance.Request{})]++
	}
	for _, c := range c {
		if n := count[c.Endpoint]; n < 700 || n > 1300 {
			t.Errorf("%d of 4000 new rotations began with %s", n, c.ID)
		}
	}
}

// reloader replaces a picker before each pick, as a balancer does whose list
// changes all the time.
type reloader struct{ picker balance.Picker }

func (r *reloader) pick(c []balance.Candidate) *balance.Endpoint {
	next := balance.RoundRobin()(c)
	if r.picker != nil {
		next.(balance.Resumer).Resume(r.picker)
	}
	r.picker = next
	return next.Pick(balance.Request{})
}

func TestRoundRobinReloadsForEachRequestAreUniform(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1, 1, 1, 1}, {5, 1, 1}, {4, 4, 2}} {
		c := balancetest.Candidates(weights...)
		var r reloader
		count := make(map[*balance.Endpoint]int)
		var sum uint32
		for _, w := range weights {
			sum += w
		}
		for range 100 * sum {
			count[r.pick(c)]++
		}
		for _, c := range c {
			if got, want := count[c.Endpoint], 100*int(c.Share); got != want {
				t.Errorf("weights %d: %s got %d picks, want exactly %d", weights, c.ID, got, want)
			}
		}
	}
}

// Endpoints that come and go for each request must not favour those beside them.
func TestRoundRobinChangingListsStayUniform(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := balancetest.Candidates(1, 1, 1, 1, 1, 1, 1, 1)
	for _, steady := range []int{2, 4, 7} { // that many never leave
		var r reloader
		count := make(map[*balance.Endpoint]int)
		const picks = 20000
		for range picks {
			c := append([]balance.Candidate(nil), all...)
			for i := steady; i < len(c); i++ {
				c[i].Share = random.Uint32N(2)
			}
			count[r.pick(c)]++
		}
		least, most := math.MaxInt, 0
		for _, c := range all[:steady] {
			least, most = min(least, count[c.Endpoint]), max(most, count[c.Endpoint])
		}
		if most-least > 2 {
			t.Errorf("%d that never left got between %d and %d of %d picks", steady, least, most, picks)
		}
		for _, c := range all[steady:] {
			if n := count[c.Endpoint]; n > most || n < least/3 {
				t.Errorf("%s, there half of the time, got %d picks; those always there got %d", c.ID, n, most)
			}
		}
	}
}

// Where weights differ a change begins anywhere, so nobody can be passed over
// for good; chance is the only reason to stray.
func TestRoundRobinChangingWeightsKeepShares(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	alternate := func(i int) uint32 { return uint32(i % 2) }
	at := func(int) uint32 { return random.Uint32N(2) }
	ramp := func(i int) uint32 { return uint32(1 + i/40%10) }
	for name, last := range map[string]func(i int) uint32{"alternating": alternate, "random": at, "ramp": ramp} {
		for _, weights := range [][]uint32{{5, 1, 1, 1}, {3, 2, 1, 1}, {10, 10, 10, 10}, {7, 3, 9, 10}} {
			var r reloader
			c := balancetest.Candidates(weights...)
			count := make(map[*balance.Endpoint]float64)
			due := make(map[*balance.Endpoint]float64)
			for i := range 20000 {
				list := append([]balance.Candidate(nil), c...)
				list[3].Share = last(i)
				count[r.pick(list)]++
				sum := 0.0
				for _, c := range list {
					sum += float64(c.Share)
				}
				for _, c := range list {
					due[c.Endpoint] += float64(c.Share) / sum
				}
			}
			for _, c := range c {
				if got, want := count[c.Endpoint], due[c.Endpoint]; math.Abs(got-want) > 7*math.Sqrt(want)+2 {
					t.Errorf("%s, weights %d: %s got %.0f picks, due are %.0f", name, weights, c.ID, got, want)
				}
			}
		}
	}
}

func TestRoundRobinResumesAtTheOneWhoWasNext(t *testing.T) {
	c := balancetest.Candidates(1, 1, 1, 1)
	old := balance.RoundRobin()(c)
	for old.Pick(balance.Request{}) != c[1].Endpoint {
	}
	// c[2] is next; it goes, so c[3] follows, and then the newcomer's neighbours.
	list := append(append([]balance.Candidate(nil), c[:2]...), c[3])
	p := balance.RoundRobin()(list)
	p.(balance.Resumer).Resume(old)
	for i, want := range []int{3, 0, 1, 3} {
		if got := p.Pick(balance.Request{}); got != c[want].Endpoint {
			t.Fatalf("pick %d after the change is %s, want %s", i, got.ID, c[want].ID)
		}
	}
	back := balance.RoundRobin()(c)
	back.(balance.Resumer).Resume(p)
	if got := back.Pick(balance.Request{}); got != c[0].Endpoint {
		t.Errorf("after the return the first is %s, want %s", got.ID, c[0].ID)
	}
}

func TestRoundRobinIgnoresAnotherKindsPlace(t *testing.T) {
	c := balancetest.Candidates(1, 2)
	p := balance.RoundRobin()(c)
	p.(balance.Resumer).Resume(balance.Random()(c))
	p.(balance.Resumer).Resume(nil)
	if p.Pick(balance.Request{}) == nil {
		t.Error("picked nobody")
	}
}

// Shares without a common divisor would need a period of billions.
func TestRoundRobinHugeSharesAreScaled(t *testing.T) {
	weights := []uint32{math.MaxUint32, math.MaxUint32 - 6, 1<<31 + 3, 1 << 20, 3}
	c := balancetest.Candidates(weights...)
	p := balance.RoundRobin()(c)
	count := make(map[*balance.Endpoint]int)
	const picks = 1 << 18
	var sum float64
	for range picks {
		count[p.Pick(balance.Request{})]++
	}
	for _, w := range weights {
		sum += float64(w)
	}
	for _, c := range c {
		want := picks * float64(c.Share) / sum
		if got := float64(count[c.Endpoint]); math.Abs(got-want) > 8 || got == 0 {
			t.Errorf("share %d got %.0f of %d picks, want %.1f", c.Share, got, picks, want)
		}
	}
}
