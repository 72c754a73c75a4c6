package balance

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// RingHash returns the policy RING_HASH: endpoints have points on a circle of
// 2⁶⁴ places, a key belongs to the first point at or after it (Karger et al.,
// 1997; spec.md §4.5). Keys must be hashes: small numbers all lie before the
// first point.
//
// Point i of an endpoint is XXH64 of its ID, "_" and i in decimal, with seed 0,
// as in Envoy and gRPC. How many points it has is not as there: it is its weight
// times the smallest power of two that makes the ring of all configured
// endpoints no smaller than minSize. (Their number changes with every change of
// the list, and then points of everybody come and go; here a change moves only
// the keys of those who came or went, unless the sum of weights crosses a power
// of two.) So three endpoints and 1024 points give 512 points each, where Envoy
// has 342.
//
// Where weights alone make the ring larger than maxSize, or much larger than is
// of use, points are halved until it is not, but everybody keeps one. A size of
// 0, or below, is the default: 1024 and 8388608. A maxSize below minSize is
// raised to it.
func RingHash(minSize, maxSize int) Policy {
	if minSize <= 0 {
		minSize = DefaultMinRing
	}
	if maxSize <= 0 {
		maxSize = DefaultMaxRing
	}
	minSize = min(minSize, DefaultMaxRing)
	maxSize = max(minSize, min(maxSize, DefaultMaxRing))
	return func(c []Candidate) Picker {
		switch {
		case !somePickable(c):
			return nobody{}
		case len(c) <= maxUint16Len:
			return newRing(c, minSize, maxSize, &narrow)
		default:
			return newRing(c, minSize, maxSize, &wide)
		}
	}
}

// CheckRingSize reports what is wrong with ring sizes: they must be between 1 and
// 8388608, and minSize not above maxSize. 0 stands for the default.
func CheckRingSize(minSize, maxSize int) error {
	minSize, maxSize = cmp.Or(minSize, DefaultMinRing), cmp.Or(maxSize, DefaultMaxRing)
	switch {
	case minSize < 1 || minSize > DefaultMaxRing:
		return fmt.Errorf("balance: ring hash: minimum_ring_size must be between 1 and %d, not %d", DefaultMaxRing, minSize)
	case maxSize < 1 || maxSize > DefaultMaxRing:
		return fmt.Errorf("balance: ring hash: maximum_ring_size must be between 1 and %d, not %d", DefaultMaxRing, maxSize)
	case minSize > maxSize:
		return fmt.Errorf("balance: ring hash: minimum_ring_size (%d) > maximum_ring_size (%d)", minSize, maxSize)
	}
	return nil
}

// A ring is the picker of RING_HASH. Its slots are the points in order.
type ring[I index] struct {
	hashTable[I]
	circle
}

// A circle is where the points are.
type circle struct {
	points []uint64 // ascending
	// buckets cuts the circle into equal parts, about one for each point: points
	// of part b are at buckets[b] up to buckets[b+1].
	buckets []uint32
	shift   int // a key's part is key>>shift
}

func (r *ring[I]) Pick(q Request) *Endpoint {
	key := q.Key
	if !q.Keyed {
		key = r.dice.roll()
	}
	slot := r.slot(key)
	if q.Try <= 0 {
		return r.endpoints[r.resolved[slot]]
	}
	return r.pick(r.walkFrom(slot), q.Try)
}

// slot returns the first point at or after key. Points are hashes, so a part has
// few of them; should somebody choose IDs to crowd one, it is halved as usual.
func (r *circle) slot(key uint64) int {
	part := key >> r.shift
	low, high := int(r.buckets[part]), int(r.buckets[part+1])
	for high-low > 8 {
		if middle := (low + high) / 2; r.points[middle] < key {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for low < high && r.points[low] < key {
		low++
	}
	if low == len(r.points) {
		return 0
	}
	return low
}

// walkFrom goes clockwise. A slot is known by its point, since its position
// changes when endpoints come or go.
func (r *ring[I]) walkFrom(slot int) walk {
	return walk{slot: slot, step: 1 % len(r.points), id: r.points[slot]}
}

// newRing takes its layout from the shelf, or lays it. All that a weight is to a ring
// is a number of points.
func newRing[I index](c []Candidate, minSize, maxSize int, s *shelf[I]) Picker {
	weights := layWeights(c)
	counts := ringPoints(inWholes(weights), minSize, maxSize)
	l := s.take(newLayout[I]("RING_HASH", 0, c, counts), func(l *layout[I]) {
		l.circle, l.owners = newCircle[I](l.ids, l.weights)
	})
	r := &ring[I]{circle: l.circle}
	r.hashTable = newHashTable(c, weights, l, r.walkFrom)
	return r
}

// newCircle gives each ID so many points. It returns, by point, whose it is.
func newCircle[I index](ids []string, counts []uint32) (circle, []I) {
	type point struct {
		at    uint64
		owner I
	}
	var points []point
	var name []byte
	for i, n := range counts {
		name = append(append(name[:0], ids[i]...), '_')
		for k := range n {
			name := strconv.AppendUint(name, uint64(k), 10)
			points = append(points, point{xxhash.Sum64(name), I(i)})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(a.owner, b.owner)
	})
	round := circle{points: make([]uint64, len(points))}
	owners := make([]I, len(points))
	for i, p := range points {
		round.points[i], owners[i] = p.at, p.owner
	}
	round.cut()
	return round, owners
}

// inWholes returns weights in units of Fine, where all are counted so.
func inWholes(weights []uint32) []uint32 {
	if slices.ContainsFunc(weights, func(w uint32) bool { return w%Fine != 0 }) {
		return weights
	}
	wholes := make([]uint32, len(weights))
	for i, w := range weights {
		wholes[i] = w / Fine
	}
	return wholes
}

// cut fills buckets.
func (r *circle) cut() {
	width := max(1, bits.Len(uint(len(r.points)-1)))
	r.shift = 64 - width
	r.buckets = make([]uint32, 1<<width+1)
	for i, p := range r.points {
		r.buckets[p>>r.shift+1] = uint32(i + 1)
	}
	for b := 1; b < len(r.buckets); b++ {
		r.buckets[b] = max(r.buckets[b], r.buckets[b-1])
	}
}

// ampleRing is how large a ring weights alone may ask for: they are then honoured
// to a hundred-thousandth, far finer than the hash is even.
const ampleRing = 1 << 17

// ringPoints returns how many points each weight gets: the weight times a power
// of two, at least 1, none for a weight of 0.
func ringPoints(weights []uint32, minSize, maxSize int) []uint32 {
	var sum uint64
	for _, w := range weights {
		sum += uint64(w)
	}
	double := 0
	for sum<<double < uint64(minSize) {
		double++
	}
	limit := uint64(min(maxSize, max(2*minSize, ampleRing)))
	points := make([]uint32, len(weights))
	for {
		var size uint64
		single := true
		for i, w := range weights {
			n := scaled(uint64(w), double)
			points[i] = uint32(min(n, limit+1))
			size += n
			single = single && n <= 1
		}
		if size <= limit || single {
			return points
		}
		double--
	}
}

// scaled returns w·2^double, at least 1 unless w is 0.
func scaled(w uint64, double int) uint64 {
	switch {
	case w == 0:
		return 0
	case double >= 0:
		return w << double
	default:
		return max(1, w>>-double)
	}
}
