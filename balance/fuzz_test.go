package balance

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// fuzzWeights reads weights above 0 from data: a length in bits, then the bits,
// so that small and huge ones are equally near.
func fuzzWeights(data []byte) []uint32 {
	var weights []uint32
	for len(data) >= 5 && len(weights) < 200 {
		w := binary.LittleEndian.Uint32(data[1:]) >> (data[0] % 32)
		weights = append(weights, max(1, w))
		data = data[5:]
	}
	return weights
}

func addWeights(f *testing.F) {
	f.Add([]byte{31, 0, 0, 0, 0})
	f.Add([]byte{30, 0, 0, 0, 255, 30, 0, 0, 0, 128, 31, 0, 0, 0, 0})
	f.Add([]byte{0, 255, 255, 255, 255, 31, 0, 0, 0, 0, 5, 1, 2, 3, 4})
}

// Each turn of a schedule lies in its window, which is what keeps it smooth.
func FuzzSchedule(f *testing.F) {
	addWeights(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		weights := fuzzWeights(data)
		if len(weights) == 0 {
			return
		}
		const limit = 1 << 10
		turns := turnsPerPeriod(sharesOf(weights...), limit)
		checkTurns(t, weights, turns, limit)
		order := schedule[uint32](turns)
		period := uint64(len(order))
		taken := make([]uint64, len(turns))
		for place, i := range order {
			k, w := taken[i], uint64(turns[i])
			if release, deadline := k*period/w, ((k+1)*period+w-1)/w; uint64(place) < release || uint64(place) >= deadline {
				t.Fatalf("turns %d: turn %d of %d is at place %d, not from %d to before %d", turns, k, i, place, release, deadline)
			}
			taken[i]++
		}
		for i, n := range taken {
			if n != uint64(turns[i]) {
				t.Fatalf("turns %d: index %d has %d", turns, i, n)
			}
		}
	})
}

// checkTurns: exact where the period is short enough, else as documented.
func checkTurns(t *testing.T, weights, turns []uint32, limit float64) {
	t.Helper()
	var sum, period float64
	for i := range weights {
		sum += float64(weights[i])
		period += float64(turns[i])
	}
	if period > limit+float64(len(turns)) {
		t.Fatalf("weights %d: a period of %.0f turns", weights, period)
	}
	for i := range weights {
		// Those below one turn take at most n turns of the others.
		due := float64(weights[i]) / sum * period
		if off := math.Abs(float64(turns[i]) - due); turns[i] == 0 || off > 1+float64(len(turns))*due/period {
			t.Fatalf("weights %d: index %d has %d of %.0f turns, due are %.2f", weights, i, turns[i], period, due)
		}
	}
}

func FuzzAlias(f *testing.F) {
	addWeights(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if weights := fuzzWeights(data); len(weights) > 0 {
			checkAlias(t, weights)
		}
	})
}

func FuzzWeightedMaglev(f *testing.F) {
	addWeights(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		weights := fuzzWeights(data)
		if len(weights) == 0 {
			return
		}
		size := maglevSize(2 + int(data[0])*4)
		ids := testIDs(len(weights))
		if !slices.Equal(weightedMaglev(ids, weights, size), envoyMaglev(ids, weights, size)) {
			t.Fatalf("weights %d in %d slots: not the table of the naive loop", weights, size)
		}
	})
}

func FuzzRing(f *testing.F) {
	addWeights(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		weights := fuzzWeights(data)
		if len(weights) == 0 || len(weights) > 20 {
			return
		}
		const size = 128
		c := sharesOf(weights...)
		counts := ringPoints(weights, size, size)
		total := uint32(0)
		for i, n := range counts {
			if n == 0 {
				t.Fatalf("weights %d: index %d has no point", weights, i)
			}
			total += n
		}
		if total > size {
			t.Fatalf("weights %d: %d points, at most %d are allowed", weights, total, size)
		}
		p := newRing(c, size, size, &narrow)
		random := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			key := random.Uint64()
			if got, want := p.Pick(Request{Key: key, Keyed: true}), scanRing(c, counts, key); got != want {
				t.Fatalf("weights %d, key %#x: %s, by scanning %s", weights, key, got.ID, want.ID)
			}
		}
	})
}

// Whatever the shares are, the alternatives are everybody who may be picked.
func FuzzAlternatives(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Add(uint64(2), uint8(40))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := randomCandidates(random, 1+int(n))
		for _, policy := range []Policy{Maglev(251), WeightedMaglev(13), RingHash(128, 4096)} {
			p := policy(c)
			checkHashTable(t, p, random)
			met := make(map[*Endpoint]bool)
			q := Request{Key: random.Uint64(), Keyed: true}
			for e := p.Pick(q); e != nil; e = p.Pick(q) {
				if met[e] {
					t.Fatalf("alternative %d is %s again", q.Try, e.ID)
				}
				met[e] = true
				q.Try++
			}
			for _, c := range c {
				if met[c.Endpoint] != (c.Share > 0) {
					t.Fatalf("%s with share %d: among the alternatives: %v", c.ID, c.Share, met[c.Endpoint])
				}
			}
		}
	})
}
