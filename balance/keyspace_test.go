package balance

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// fewer is n, or less of it under the race detector.
func fewer(n, underRace int) int {
	if testkit.UnderRace {
		return underRace
	}
	return n
}

// keyed returns candidates of these IDs, the i-th of weight 1 + i mod 3 if they are
// weighted.
func keyed(weighted bool, ids ...string) []Candidate {
	slices.Sort(ids)
	c := make([]Candidate, len(ids))
	for i, id := range ids {
		w := uint32(1)
		if weighted {
			w += uint32(i % 3)
		}
		c[i] = Candidate{&Endpoint{ID: id, Weight: w, Load: new(Load)}, w}
	}
	return c
}

func names(from, to int) []string {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("10.0.0.%03d:80", i))
	}
	return ids
}

func without(c []Candidate, i int) []Candidate {
	c = slices.Clone(c)
	c[i].Share = 0
	return c
}

// lists are before and after of all kinds of changes.
var lists = map[string][2][]Candidate{
	"nothing":       {keyed(false, names(0, 8)...), keyed(false, names(0, 8)...)},
	"one comes":     {keyed(false, names(0, 8)...), keyed(false, names(0, 9)...)},
	"one goes":      {keyed(false, names(0, 9)...), keyed(false, names(1, 9)...)},
	"all change":    {keyed(false, names(0, 5)...), keyed(false, names(5, 9)...)},
	"weights":       {keyed(false, names(0, 7)...), keyed(true, names(0, 7)...)},
	"one is out":    {keyed(true, names(0, 7)...), without(keyed(true, names(0, 7)...), 3)},
	"one for all":   {keyed(false, names(0, 1)...), keyed(false, names(0, 1)...)},
	"all for one":   {keyed(false, names(0, 6)...), keyed(false, names(2, 3)...)},
	"thousand more": {keyed(false, names(0, 20)...), keyed(false, names(0, 300)...)},
}

// counted asks both pickers for each of the keys, of which each counts as given.
func counted(prev, next Picker, keys []uint64, size func(i int) *big.Int) (moved float64, flows map[[2]string]float64) {
	flows = make(map[[2]string]float64)
	sum, whole := new(big.Int), new(big.Int)
	sums := make(map[[2]string]*big.Int)
	for i, key := range keys {
		from, to := prev.Pick(Request{Key: key, Keyed: true}).ID, next.Pick(Request{Key: key, Keyed: true}).ID
		n := size(i)
		whole.Add(whole, n)
		if from != to {
			sum.Add(sum, n)
		}
		pair := [2]string{from, to}
		if sums[pair] == nil {
			sums[pair] = new(big.Int)
		}
		sums[pair].Add(sums[pair], n)
	}
	part := func(n *big.Int) float64 {
		f, _ := new(big.Rat).SetFrac(n, whole).Float64()
		return f
	}
	for pair, n := range sums {
		flows[pair] = part(n)
	}
	return part(sum), flows
}

// check compares what the tables say with what was counted.
func check(t *testing.T, prev, next Picker, moved float64, flows map[[2]string]float64, within float64) {
	t.Helper()
	got, ok := Moved(prev, next)
	if !ok || math.Abs(got-moved) > within {
		t.Errorf("Moved is %v, %v; counted are %v", got, ok, moved)
	}
	sum := 0.0
	for _, f := range Flows(prev, next) {
		sum += f.Part
		pair := [2]string{f.From.ID, f.To.ID}
		if math.Abs(f.Part-flows[pair]) > within {
			t.Errorf("the flow %v is %v; counted are %v", pair, f.Part, flows[pair])
		}
		delete(flows, pair)
	}
	for pair, part := range flows {
		if part > within {
			t.Errorf("the flow %v, %v of all keys, is missing", pair, part)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the flows sum to %v", sum)
	}
}

func TestKeySpaceOfMaglevIsCountedSlotBySlot(t *testing.T) {
	for name, list := range lists {
		for policy, p := range map[string]Policy{"MAGLEV": Maglev(1009), "WEIGHTED_MAGLEV": WeightedMaglev(1009)} {
			t.Run(policy+"/"+name, func(t *testing.T) {
				prev, next := p(list[0]), p(list[1])
				keys := make([]uint64, 1009)
				for i := range keys {
					keys[i] = uint64(i)
				}
				moved, flows := counted(prev, next, keys, func(int) *big.Int { return big.NewInt(1) })
				check(t, prev, next, moved, flows, 1e-15)
			})
		}
	}
}

// All keys up to the product of the two sizes: each pair of slots once.
func TestKeySpaceOfMaglevTablesOfTwoSizesIsTheProduct(t *testing.T) {
	a, b := fewer(307, 101), fewer(401, 151)
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			prev, next := Maglev(a)(list[0]), Maglev(b)(list[1])
			keys := make([]uint64, a*b)
			for i := range keys {
				keys[i] = uint64(i)
			}
			moved, flows := counted(prev, next, keys, func(int) *big.Int { return big.NewInt(1) })
			check(t, prev, next, moved, flows, 1e-12)
		})
	}
}

// Between two points of either ring all keys are alike, so one stands for them.
func TestKeySpaceOfRingsIsCountedArcByArc(t *testing.T) {
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			prev, next := RingHash(64, 0)(list[0]), RingHash(256, 0)(list[1])
			keys := slices.Concat(prev.(keyTable).ends(), next.(keyTable).ends())
			slices.Sort(keys)
			keys = slices.Compact(keys)
			last := len(keys) - 1
			moved, flows := counted(prev, next, keys, func(i int) *big.Int {
				width := new(big.Int).SetUint64(keys[i])
				if i > 0 {
					return width.Sub(width, new(big.Int).SetUint64(keys[i-1]))
				}
				// The first has what is behind the last, too.
				width.Sub(width, new(big.Int).SetUint64(keys[last]))
				return width.Add(width, new(big.Int).Lsh(big.NewInt(1), 64))
			})
			check(t, prev, next, moved, flows, 1e-15)
		})
	}
}

func TestKeySpaceIsThatOfRandomKeys(t *testing.T) {
	n := fewer(200_000, 20_000)
	rng := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = rng.Uint64()
	}
	policies := map[string]Policy{"maglev": Maglev(0), "small maglev": Maglev(251), "ring": RingHash(0, 0), "small ring": RingHash(3, 0)}
	list := lists["one comes"]
	for a, before := range policies {
		for b, after := range policies {
			t.Run(a+" to "+b, func(t *testing.T) {
				prev, next := before(list[0]), after(list[1])
				moved, flows := counted(prev, next, keys, func(int) *big.Int { return big.NewInt(1) })
				check(t, prev, next, moved, flows, 5/math.Sqrt(float64(n))/2) // five standard deviations at most
			})
		}
	}
}

func TestPartsAreByIDAndSumToOne(t *testing.T) {
	for _, p := range []Policy{Maglev(1009), RingHash(1000, 0)} {
		if !MapsKeys(p(keyed(false, names(0, 3)...))) {
			t.Error("a hash policy does not map keys")
		}
		sum, id := 0.0, ""
		for _, part := range Parts(p(without(keyed(true, names(0, 7)...), 2))) {
			if part.Endpoint.ID <= id || part.Part <= 0 || part.Endpoint.ID == names(2, 3)[0] {
				t.Errorf("%s has %v after %s", part.Endpoint.ID, part.Part, id)
			}
			sum, id = sum+part.Part, part.Endpoint.ID
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("the parts sum to %v", sum)
		}
	}
}

func TestPickersWithoutKeysHaveNoKeySpace(t *testing.T) {
	c := keyed(false, names(0, 3)...)
	for _, p := range []Policy{RoundRobin(), Random(), LeastRequest(0, 1), OriginalDestination()} {
		if MapsKeys(p(c)) || Parts(p(c)) != nil || Flows(p(c), Maglev(0)(c)) != nil || Flows(Maglev(0)(c), p(c)) != nil {
			t.Errorf("%T maps keys", p(c))
		}
		if _, ok := Moved(p(c), p(c)); ok {
			t.Errorf("%T moves keys", p(c))
		}
	}
}
