package balance

import (
	"cmp"
	"math/bits"
	"slices"
)

// This file compares whole tables, for those who want to know before a change what
// it does. Endpoints are the same if their IDs are.
//
// Keys are hashes, so what counts is which part of the 2⁶⁴ keys a slot has: in a ring
// it is the arc up to its point, in a Maglev table it is all whose remainder is the
// slot. Two tables cut the keys in the same way, and are laid side by side, if both
// are rings or both Maglev tables of one size:
//
//	ring           ┝━━━━━a━━━━━┿━━b━━┿━━━━━━━━c━━━━━━━━┥
//	next ring      ┝━━a━━┿━━d━━━━━━━━┿━━━━a━━━━┿━━━c━━━┥
//	moved                 ‾‾‾‾‾‾‾‾‾‾‾ ‾‾‾‾‾‾‾‾‾
//
// Otherwise one says nothing about the other: remainders by two primes are
// independent, as the Chinese remainder theorem has it, and so is a remainder of the
// arc. Then the part that two slots share is the product of their parts. This is
// exact but for the keys of the last, incomplete cycle: less than one in 700,000 for
// the two largest tables, one in 4 billion for tables of the default size.

// A keyTable is a picker that gives every key one endpoint.
type keyTable interface {
	Picker
	slots() int
	owner(slot int) *Endpoint
	// ends has the last key of each slot, ascending; what is behind the last of all
	// belongs to the first. nil: a key's slot is its remainder.
	ends() []uint64
}

func (t *hashTable[I]) slots() int               { return len(t.resolved) }
func (t *hashTable[I]) owner(slot int) *Endpoint { return t.endpoints[t.resolved[slot]] }

func (m *maglevTable[I]) ends() []uint64 { return nil }
func (r *ring[I]) ends() []uint64        { return r.points }

// MapsKeys reports whether p gives every key one endpoint, so that the functions
// below have an answer.
func MapsKeys(p Picker) bool {
	_, ok := p.(keyTable)
	return ok
}

// A Part is what an endpoint has of all keys, from 0 to 1.
type Part struct {
	Endpoint *Endpoint
	Part     float64
}

// Parts returns who has which part of all keys, by ID, without those who have none.
// It returns nil for a picker that does not map keys.
func Parts(p Picker) []Part {
	t, ok := p.(keyTable)
	if !ok {
		return nil
	}
	counts := make(map[*Endpoint]keyCount)
	whole := eachSlot(t, func(owner *Endpoint, keys uint64) {
		counts[owner] = counts[owner].plus(keys)
	})
	parts := make([]Part, 0, len(counts))
	for e, n := range counts {
		parts = append(parts, Part{e, n.of(whole)})
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Endpoint.ID, b.Endpoint.ID) })
	return parts
}

// A Flow is the part of all keys, from 0 to 1, that one endpoint has before a change
// and another, or the same, after it.
type Flow struct {
	From, To *Endpoint
	Part     float64
}

// Flows returns who hands which keys to whom when next takes the place of prev,
// sorted by ID. The parts sum to 1. It returns nil unless both map keys. For pickers
// that cut the keys differently there is a flow for each pair of endpoints.
func Flows(prev, next Picker) []Flow {
	a, b, ok := bothTables(prev, next)
	if !ok {
		return nil
	}
	var flows []Flow
	if !alike(a, b) {
		for _, from := range Parts(prev) {
			for _, to := range Parts(next) {
				flows = append(flows, Flow{from.Endpoint, to.Endpoint, from.Part * to.Part})
			}
		}
		return flows
	}
	counts := make(map[[2]*Endpoint]keyCount)
	whole := eachPair(a, b, func(from, to *Endpoint, keys uint64) {
		pair := [2]*Endpoint{from, to}
		counts[pair] = counts[pair].plus(keys)
	})
	for pair, n := range counts {
		flows = append(flows, Flow{pair[0], pair[1], n.of(whole)})
	}
	slices.SortFunc(flows, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.From.ID, b.From.ID), cmp.Compare(a.To.ID, b.To.ID))
	})
	return flows
}

// Moved returns the part of all keys, from 0 to 1, that go to another endpoint when
// next takes the place of prev. ok is false unless both map keys.
func Moved(prev, next Picker) (part float64, ok bool) {
	a, b, ok := bothTables(prev, next)
	switch {
	case !ok:
		return 0, false
	case !alike(a, b):
		return 1 - Agreement(Parts(prev), Parts(next)), true
	}
	var moved keyCount
	whole := eachPair(a, b, func(from, to *Endpoint, keys uint64) {
		if from != to && from.ID != to.ID {
			moved = moved.plus(keys)
		}
	})
	return moved.of(whole), true
}

// Agreement returns how often two independent choices fall on the same endpoint: the
// sum of the products of its parts. Both lists are sorted by ID.
func Agreement(a, b []Part) float64 {
	agree := 0.0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch cmp.Compare(a[i].Endpoint.ID, b[j].Endpoint.ID) {
		case -1:
			i++
		case 1:
			j++
		default:
			agree += a[i].Part * b[j].Part
			i, j = i+1, j+1
		}
	}
	return min(agree, 1)
}

func bothTables(prev, next Picker) (a, b keyTable, ok bool) {
	a, _ = prev.(keyTable)
	b, _ = next.(keyTable)
	return a, b, a != nil && b != nil
}

// alike reports whether two tables cut the keys in the same way.
func alike(a, b keyTable) bool {
	if a.ends() == nil && b.ends() == nil {
		return a.slots() == b.slots()
	}
	return a.ends() != nil && b.ends() != nil
}

// eachSlot calls yield with the owner of each slot and how many keys it has, and
// returns of how many.
func eachSlot(t keyTable, yield func(owner *Endpoint, keys uint64)) keyCount {
	return eachPair(t, t, func(owner, _ *Endpoint, keys uint64) { yield(owner, keys) })
}

// eachPair calls yield for all keys, those together that have the same slot in a and
// the same slot in b, which are alike. It returns how many keys there are; of Maglev
// tables each slot counts as one.
func eachPair(a, b keyTable, yield func(inA, inB *Endpoint, keys uint64)) keyCount {
	p, q := a.ends(), b.ends()
	if p == nil {
		for slot := range a.slots() {
			yield(a.owner(slot), b.owner(slot), 1)
		}
		return keyCount{low: uint64(a.slots())}
	}
	// The last key there is belongs to the first slot of both, like all that are
	// behind the last point, so begin and end there: before is the last key of the
	// piece before.
	before := ^uint64(0)
	for i, j := 0, 0; i < len(p) || j < len(q); {
		end := ^uint64(0)
		if i < len(p) {
			end = p[i]
		}
		if j < len(q) {
			end = min(end, q[j])
		}
		if end != before {
			yield(a.owner(i%len(p)), b.owner(j%len(q)), end-before)
		}
		before = end
		for i < len(p) && p[i] == end {
			i++
		}
		for j < len(q) && q[j] == end {
			j++
		}
	}
	if before != ^uint64(0) {
		yield(a.owner(0), b.owner(0), ^before)
	}
	return keyCount{high: 1}
}

// A keyCount is a number of keys, of which there are 2⁶⁴.
type keyCount struct{ high, low uint64 }

func (n keyCount) plus(keys uint64) keyCount {
	low, carry := bits.Add64(n.low, keys, 0)
	return keyCount{n.high + carry, low}
}

// of returns what part of whole n is.
func (n keyCount) of(whole keyCount) float64 { return n.float() / whole.float() }

func (n keyCount) float() float64 { return float64(n.high)*(1<<64) + float64(n.low) }
