package balance

import (
	"math"
	"math/bits"
	"slices"
)

// A hashTable is what the hash policies share: slots, who owns them, and what
// happens to the slots of those who are not to be picked.
//
//	slot        0   1   2   3   4   5   6
//	laid        b   c   a   c   a   b   a     by weight, over all candidates
//	resolved    b   a   a   b   a   b   a     c is out: its slots are handed on
//
// Each slot has a walk over the laid table, its own sequence of choices. A slot
// whose owner is out goes to the first endpoint on its walk that takes it, and
// the k-th alternative is the k-th distinct endpoint on it. So whoever would be
// tried second is also who inherits; nobody else's slot ever moves; and when the
// owner returns, so does its slot.
//
// An endpoint that warms up takes the part share/weight of what it is offered.
// Which part is decided by a hash, so it only grows while the share does.
type hashTable[I index] struct {
	layout    *layout[I] // held, so that the next picker finds it on the shelf
	laid      []I        // the layout's owners
	resolved  []I        // the same array as laid while everybody takes everything
	endpoints []*Endpoint
	takes     []uint64 // by endpoint: of 2⁶⁴ offers how many it takes; all ones: all of them
	warm      []I      // those that take all they are offered, ascending
	warming   []I      // those that take a part, ascending
	dice      *dice    // for those without a key
}

func (t *hashTable[I]) use(d *dice) { t.dice = d }

const (
	// maxWalk bounds a walk. Where one endpoint of ten is left, all but one walk
	// in 700,000 meet it.
	maxWalk = 128
	// maxMet bounds how many distinct endpoints a walk collects.
	maxMet = 16
)

// A walk is one slot's way through the laid table.
type walk struct {
	slot, step int
	id         uint64 // the slot's identity, spread over 64 bits
}

// newHashTable takes a laid table and works out the resolved one. weights are those
// of [layWeights]; walkFrom gives each slot its walk.
func newHashTable[I index](c []Candidate, weights []uint32, l *layout[I], walkFrom func(slot int) walk) hashTable[I] {
	t := hashTable[I]{
		layout:    l,
		laid:      l.owners,
		resolved:  l.owners,
		endpoints: endpointsOf(c),
		takes:     make([]uint64, len(c)),
		warm:      make([]I, 0, len(c)),
	}
	all := true
	for i, w := range weights {
		t.takes[i] = takes(c[i].Share, w)
		switch t.takes[i] {
		case 0:
		case math.MaxUint64:
			t.warm = append(t.warm, I(i))
		default:
			t.warming = append(t.warming, I(i))
		}
		if w > 0 && t.takes[i] < math.MaxUint64 {
			all = false
		}
	}
	if all {
		return t
	}
	t.resolved = slices.Clone(t.laid)
	for slot, owner := range t.laid {
		if t.takes[owner] == math.MaxUint64 {
			continue
		}
		if w := walkFrom(slot); !t.accepts(owner, w) {
			t.resolved[slot], _ = t.alternative(w, 0)
		}
	}
	return t
}

// layWeights returns the weights that a table is laid by: the configured ones,
// or 1 for everybody where nobody has one.
func layWeights(c []Candidate) []uint32 {
	w := make([]uint32, len(c))
	for i := range c {
		w[i] = c[i].Weight
	}
	if slices.Max(w) == 0 {
		for i := range w {
			w[i] = 1
		}
	}
	return w
}

// takes returns share/weight in units of 1/2⁶⁴, all ones for 1 and above.
func takes(share, weight uint32) uint64 {
	if share >= weight {
		if share == 0 {
			return 0
		}
		return math.MaxUint64
	}
	part, _ := bits.Div64(uint64(share), 0, uint64(weight))
	return part
}

// accepts reports whether endpoint i takes the slot that w belongs to.
func (t *hashTable[I]) accepts(i I, w walk) bool {
	switch t.takes[i] {
	case 0:
		return false
	case math.MaxUint64:
		return true
	}
	return mix(w.id^t.layout.hashes[i]) < t.takes[i]
}

// pick returns the try-th alternative for a walk, or nil when there is none.
func (t *hashTable[I]) pick(w walk, try int) *Endpoint {
	i, ok := t.alternative(w, try)
	if !ok {
		return nil
	}
	return t.endpoints[i]
}

// alternative returns the k-th distinct endpoint for a walk, from 0. Those that
// the walk does not meet follow: first the warm ones, in order of their ID.
func (t *hashTable[I]) alternative(w walk, k int) (I, bool) {
	var met [maxMet]I
	n, all := 0, len(t.warm)+len(t.warming)
	at := w.slot
	for step := 0; step < maxWalk && n < len(met) && n < all; step++ {
		i := t.laid[at]
		if at += w.step; at >= len(t.laid) {
			at -= len(t.laid)
		}
		if slices.Contains(met[:n], i) || !t.accepts(i, w) {
			continue
		}
		if n == k {
			return i, true
		}
		met[n] = i
		n++
	}
	i, k, ok := t.unmet(t.warm, met[:n], w, k-n)
	if !ok {
		i, _, ok = t.unmet(t.warming, met[:n], w, k)
	}
	return i, ok
}

// unmet returns the k-th of list that was not met, counted from a place that
// depends on nothing but the slot. It is found by stepping over those met, in as
// many steps as there are of them. If there are not so many, k is how many to go.
func (t *hashTable[I]) unmet(list, met []I, w walk, k int) (I, int, bool) {
	start, _ := bits.Mul64(mix(w.id), uint64(len(t.endpoints)))
	first, _ := slices.BinarySearch(list, I(start))
	var skips [maxMet]int // how far from first those met are
	skip := skips[:0]
	for _, i := range met {
		if at, found := slices.BinarySearch(list, i); found {
			if at -= first; at < 0 {
				at += len(list)
			}
			skip = append(skip, at)
		}
	}
	slices.Sort(skip)
	for _, at := range skip {
		if at <= k {
			k++
		}
	}
	if k >= len(list) {
		return 0, k - len(list), false
	}
	return list[(first+k)%len(list)], 0, true
}

// mix spreads a number over 64 bits, one to one (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
