package proxy

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
)

// A Sketch knows roughly how a service's new traffic is spread over something that
// traffic has, such as client addresses or affinity keys: whether a few carry most
// of it. It has a fixed size, whoever comes. The zero value is ready.
//
// Each of its buckets has a count and a candidate: Boyer and Moore's vote, which
// finds whoever has most of what falls into the bucket. How concentrated all is
// follows from the counts: two flows fall into the same bucket because they are of
// one source, or by chance, whose part is known.
type Sketch struct {
	// taken is how many flows were counted, for Due: a look at it takes no lock.
	taken atomic.Uint32

	mu      sync.Mutex
	sum     uint32 // of all counts
	buckets [sketchBuckets]sketchBucket
}

const (
	sketchBuckets = 256
	// Every flow counts until there are sketchFew; after that one of sketchSample.
	sketchFew, sketchSample = 1024, 16
	// sketchMost halves all counts, so that what was long ago is forgotten.
	sketchMost = 8192
)

type sketchBucket struct {
	count, vote uint32
	id          uint64
	addr        netip.Addr
}

// Due reports whether the next flow is to be counted. It is for the hot path: no
// lock, and no memory that others write often.
func (s *Sketch) Due() bool {
	return s.taken.Load() < sketchFew || rand.Uint32()%sketchSample == 0
}

// Count counts a flow of id, a hash, with the address to show for it, if there is
// one. It never waits: where another counts at the same moment it does nothing.
func (s *Sketch) Count(id uint64, addr netip.Addr) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	b := &s.buckets[spread(id)%sketchBuckets]
	b.count++
	switch {
	case b.vote == 0:
		b.id, b.addr, b.vote = id, addr, 1
	case b.id == id:
		b.vote++
	default:
		b.vote--
	}
	s.sum++
	if s.sum >= sketchMost {
		s.halve()
	}
	s.taken.Store(s.sum)
}

// CountAddr counts a flow of an address, if it is one.
func (s *Sketch) CountAddr(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	b := a.As16()
	var id uint64
	for _, c := range b { // FNV-1a
		id = (id ^ uint64(c)) * 0x100000001b3
	}
	s.Count(id, a.WithZone(""))
}

// halve forgets half of everything.
func (s *Sketch) halve() {
	s.sum = 0
	for i := range s.buckets {
		b := &s.buckets[i]
		b.count, b.vote = b.count/2, b.vote/2
		s.sum += b.count
	}
}

// spread is the finalizer of SplitMix64: neighbours fall apart.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A Spread is what a Sketch says.
type Spread struct {
	// Flows is how many it is made of, mostly of the last hundred thousand.
	Flows int
	// Effective is how many sources of equal traffic would be as concentrated:
	// 1 ÷ Σp². Flows at most.
	Effective float64
	// Top are the busiest, at most five, with their part of the traffic.
	Top []SpreadTop
}

// A SpreadTop is one of the busiest.
type SpreadTop struct {
	Addr  netip.Addr // invalid: it has none to show
	Share float64    // from 0 to 1
}

// Spread returns what there is so far.
func (s *Sketch) Spread() Spread {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Spread{Flows: int(s.sum)}
	if s.sum < 2 {
		v.Effective = float64(s.sum)
		return v
	}
	n, pairs := float64(s.sum), 0.0
	for i := range s.buckets {
		b := &s.buckets[i]
		c := float64(b.count)
		pairs += c * (c - 1)
		if b.vote > 0 {
			v.Top = insertTop(v.Top, SpreadTop{b.addr, float64(b.vote) / n})
		}
	}
	const byChance = 1.0 / sketchBuckets
	same := (pairs/(n*(n-1)) - byChance) / (1 - byChance)
	v.Effective = math.Min(n, math.Max(1, 1/math.Max(same, 1/n)))
	return v
}

// insertTop keeps the five with the largest shares, the largest first.
func insertTop(top []SpreadTop, one SpreadTop) []SpreadTop {
	const most = 5
	i := len(top)
	for i > 0 && top[i-1].Share < one.Share {
		i--
	}
	if i == most {
		return top
	}
	top = append(top, SpreadTop{})
	copy(top[i+1:], top[i:])
	top[i] = one
	return top[:min(len(top), most)]
}
