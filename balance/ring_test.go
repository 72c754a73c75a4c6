package balance

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// scanRing answers as a ring must, by looking at every point of everybody.
func scanRing(c []Candidate, counts []uint32, key uint64) *Endpoint {
	var next, first *Endpoint
	nextAt, firstAt := uint64(math.MaxUint64), uint64(math.MaxUint64)
	for i, n := range counts {
		for k := range n {
			at := xxhash.Sum64String(c[i].ID + "_" + strconv.Itoa(int(k)))
			if first == nil || at < firstAt {
				first, firstAt = c[i].Endpoint, at
			}
			if at >= key && (next == nil || at < nextAt) {
				next, nextAt = c[i].Endpoint, at
			}
		}
	}
	if next == nil {
		return first
	}
	return next
}

func ringCandidates(weights ...uint32) []Candidate {
	c := make([]Candidate, len(weights))
	for i, id := range testIDs(len(weights)) {
		c[i] = Candidate{Endpoint: &Endpoint{ID: id, Weight: weights[i]}, Share: weights[i]}
	}
	return c
}

func TestRingFindsTheNextPoint(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, weights := range [][]uint32{{1}, {1, 1, 1}, {1, 2, 3, 0}, {50, 1}, slices.Repeat([]uint32{1}, 40)} {
		for _, size := range []int{1, 2, 64, 500} {
			c := ringCandidates(weights...)
			counts := ringPoints(layWeights(c), size, DefaultMaxRing)
			p := newRing(c, size, DefaultMaxRing, &narrow).(*ring[uint16])
			keys := []uint64{0, 1, math.MaxUint64, math.MaxUint64 - 1}
			for range 50 {
				at := p.points[random.IntN(len(p.points))]
				keys = append(keys, random.Uint64(), at-1, at, at+1)
			}
			for _, key := range keys {
				if got, want := p.Pick(Request{Key: key, Keyed: true}), scanRing(c, counts, key); got != want {
					t.Fatalf("weights %d, size %d, key %#x: %s, by scanning %s", weights, size, key, got.ID, want.ID)
				}
			}
		}
	}
}

// Somebody who chooses IDs whose points crowd must not make lookups wrong.
func TestRingFindsTheNextPointInACrowd(t *testing.T) {
	r := &ring[uint16]{}
	for i := range uint64(1000) {
		r.points = append(r.points, 1<<40+i*3)
	}
	r.cut()
	for key := uint64(1<<40 - 5); key < 1<<40+3010; key++ {
		want, _ := slices.BinarySearch(r.points, key)
		if got := r.slot(key); got != want%len(r.points) {
			t.Fatalf("key %#x: slot %d, want %d", key, got, want)
		}
	}
}

func TestRingPointsPerWeight(t *testing.T) {
	const m = math.MaxUint32
	for _, test := range []struct {
		weights  []uint32
		min, max int
		want     []uint32
	}{
		{[]uint32{1, 1, 1}, 1024, DefaultMaxRing, []uint32{512, 512, 512}},
		{[]uint32{1, 1, 1, 1}, 1024, DefaultMaxRing, []uint32{256, 256, 256, 256}}, // 1024 is enough
		{[]uint32{1, 1, 1, 1, 1}, 1024, DefaultMaxRing, []uint32{256, 256, 256, 256, 256}},
		{[]uint32{1, 2, 0}, 1024, DefaultMaxRing, []uint32{512, 1024, 0}},
		{[]uint32{5000}, 1024, DefaultMaxRing, []uint32{5000}},
		{[]uint32{1, 1, 1}, 1024, 1024, []uint32{256, 256, 256}}, // 1536 would be too many
		{[]uint32{8, 4, 1}, 4, 4, []uint32{2, 1, 1}},
		{[]uint32{1, 1, 1}, 1, 1, []uint32{1, 1, 1}},
		{[]uint32{m, 1}, 1024, DefaultMaxRing, []uint32{1<<17 - 1, 1}},
		{[]uint32{m, m}, 1024, DefaultMaxRing, []uint32{1<<16 - 1, 1<<16 - 1}},
		{[]uint32{m}, DefaultMaxRing, DefaultMaxRing, []uint32{DefaultMaxRing - 1}},
	} {
		if got := ringPoints(test.weights, test.min, test.max); !slices.Equal(got, test.want) {
			t.Errorf("weights %d, ring %d to %d: points %d, want %d", test.weights, test.min, test.max, got, test.want)
		}
	}
}

// Within the same power of two, only the keys of those that come or go move.
func TestRingMembershipMovesOnlyItsOwnKeys(t *testing.T) {
	all := ringCandidates(1, 1, 1, 1, 1, 1, 1)
	before := RingHash(0, 0)(all)
	for gone := range all[:3] {
		rest := slices.Delete(slices.Clone(all), gone, gone+1)
		after := RingHash(0, 0)(rest)
		random := rand.New(rand.NewPCG(2, 2))
		for range 20000 {
			q := Request{Key: random.Uint64(), Keyed: true}
			if was := before.Pick(q); was != all[gone].Endpoint && after.Pick(q) != was {
				t.Fatalf("key %#x moved though %s stayed", q.Key, was.ID)
			}
		}
	}
}

func TestCheckRingSize(t *testing.T) {
	for _, test := range []struct {
		min, max int
		want     string
	}{
		{0, 0, ""}, {1, 1, ""}, {1024, 0, ""}, {0, 1024, ""}, {DefaultMaxRing, DefaultMaxRing, ""},
		{-1, 0, "minimum_ring_size must be between 1 and 8388608, not -1"},
		{0, -1, "maximum_ring_size must be between 1 and 8388608, not -1"},
		{DefaultMaxRing + 1, 0, "minimum_ring_size must be"},
		{0, DefaultMaxRing + 1, "maximum_ring_size must be"},
		{0, 1023, "minimum_ring_size (1024) > maximum_ring_size (1023)"},
	} {
		err := CheckRingSize(test.min, test.max)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("CheckRingSize(%d, %d): %v, want %q", test.min, test.max, err, test.want)
		}
	}
	// The constructor takes any size.
	for _, size := range [][2]int{{-5, -5}, {100, 10}, {math.MinInt, math.MaxInt}} {
		if RingHash(size[0], size[1])(ringCandidates(1, 1)).Pick(Request{}) == nil {
			t.Errorf("RingHash(%d): picked nobody", size)
		}
	}
}
