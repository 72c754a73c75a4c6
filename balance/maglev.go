package balance

import (
	"fmt"
	"slices"

	"github.com/dchest/siphash"
	maglev "github.com/dgryski/go-maglev"
)

// maxMaglevSize is the largest table; Envoy's limit too, and prime.
const maxMaglevSize = 5000011

// Maglev returns the policy MAGLEV: hashing by a table of tableSize slots, of
// which each endpoint has its part by weight (spec.md §4.6; Eisenbud et al.,
// "Maglev", NSDI 2016). A key's slot is key mod tableSize. A table size of 0 is
// [DefaultMaglevSize]; one that [CheckMaglevSize] refuses becomes the next prime,
// or the largest allowed. It should be a hundred times the number of endpoints:
// then shares are within a percent of weights.
//
// Where weights are equal, the table is go-maglev's over the IDs. Each endpoint
// has its own permutation of the slots, and one after the other takes the first
// slot of its permutation that is still free, until none is:
//
//	            permutation         takes
//	backend-0   2 6 3 0 4 1 5       2, then 6, then 4
//	backend-1   0 5 3 1 6 4 2       0, then 5
//	backend-2   1 3 5 0 2 4 6       1, then 3
//
//	slot         0  1  2  3  4  5  6
//	backend-     1  2  0  2  0  1  0
//
// With weights, an endpoint of half the largest weight takes part in every
// second round only.
func Maglev(tableSize int) Policy {
	size := maglevSize(tableSize)
	return func(c []Candidate) Picker { return newMaglev(c, size, ruleOfMaglev) }
}

// WeightedMaglev returns the policy WEIGHTED_MAGLEV. It maps keys as [Maglev]
// does, by weight, and is for services whose endpoints report their weight, which
// the caller puts into Endpoint.Weight (spec.md §4.7). When a weight changes, less
// than one percent of the keys move besides those that must.
func WeightedMaglev(tableSize int) Policy {
	size := maglevSize(tableSize)
	return func(c []Candidate) Picker { return newMaglev(c, size, ruleOfWeightedMaglev) }
}

// CheckMaglevSize reports what is wrong with a table size: it must be prime, so
// that every step through the table visits every slot, and at most 5000011. 0
// stands for the default.
func CheckMaglevSize(size int) error {
	switch {
	case size == 0 || size > 0 && size <= maxMaglevSize && isPrime(size):
		return nil
	case size > maxMaglevSize:
		return fmt.Errorf("balance: the table size of maglev must be a prime number of at most %d, not %d", maxMaglevSize, size)
	default:
		return fmt.Errorf("balance: the table size of maglev must be a prime number, not %d; the next one is %d", size, maglevSize(size))
	}
}

// maglevSize returns the table size that is built for the one asked for.
func maglevSize(size int) int {
	if size == 0 {
		return DefaultMaglevSize
	}
	size = min(max(size, 2), maxMaglevSize)
	for !isPrime(size) {
		size++
	}
	return size
}

func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// maglevTable is the picker of MAGLEV and WEIGHTED_MAGLEV.
type maglevTable[I index] struct {
	hashTable[I]
	size uint64
}

func (m *maglevTable[I]) Pick(r Request) *Endpoint {
	key := r.Key
	if !r.Keyed {
		key = m.dice.roll()
	}
	slot := key % m.size
	if r.Try <= 0 {
		return m.endpoints[m.resolved[slot]]
	}
	return m.pick(m.walkFrom(int(slot)), r.Try)
}

// walkFrom steps through the table by a length of the slot's own. The size being
// prime, it would visit every slot.
func (m *maglevTable[I]) walkFrom(slot int) walk {
	id := mix(uint64(slot))
	return walk{slot: slot, step: 1 + int(id%(m.size-1)), id: id}
}

// A maglevRule says who owns which slot: owners returns, by slot, positions in ids,
// which are not empty and have a weight above 0 each.
type maglevRule struct {
	name   string
	owners func(ids []string, weights []uint32, size int) []int32
}

var (
	ruleOfMaglev         = maglevRule{"MAGLEV", goMaglev}
	ruleOfWeightedMaglev = maglevRule{"WEIGHTED_MAGLEV", weightedMaglev}
)

func newMaglev(c []Candidate, size int, rule maglevRule) Picker {
	switch {
	case !somePickable(c):
		return nobody{}
	case len(c) <= maxUint16Len:
		return newMaglevTable(c, size, rule, &narrow)
	default:
		return newMaglevTable(c, size, rule, &wide)
	}
}

// newMaglevTable takes its layout from the shelf, or lays it.
func newMaglevTable[I index](c []Candidate, size int, rule maglevRule, s *shelf[I]) Picker {
	weights := layWeights(c)
	l := s.take(newLayout[I](rule.name, size, c, weights), func(l *layout[I]) {
		l.owners = maglevOwners[I](l.ids, l.weights, size, rule)
	})
	m := &maglevTable[I]{size: uint64(size)}
	m.hashTable = newHashTable(c, weights, l, m.walkFrom)
	return m
}

// maglevOwners returns by slot the position of whom the rule gives it to. A weight of
// 0 has no part in that.
func maglevOwners[I index](ids []string, weights []uint32, size int, rule maglevRule) []I {
	var in []string
	var parts []uint32
	var at []I // by position in in: that in ids
	for i, w := range weights {
		if w > 0 {
			in, parts, at = append(in, ids[i]), append(parts, w), append(at, I(i))
		}
	}
	owners := make([]I, size)
	for slot, i := range rule.owners(in, parts, size) {
		owners[slot] = at[i]
	}
	return owners
}

// goMaglev is the rule of MAGLEV. go-maglev does not end with no names, with a
// size that is not prime, or when Rebuild is told that everybody is dead; the
// first two cannot come here and the third is never called.
func goMaglev(ids []string, weights []uint32, size int) []int32 {
	if slices.Min(weights) != slices.Max(weights) {
		return weightedMaglev(ids, weights, size)
	}
	table := maglev.New(ids, uint64(size))
	owners := make([]int32, size)
	for slot := range owners {
		owners[slot] = int32(table.Lookup(uint64(slot)))
	}
	return owners
}

// weightedMaglev is Envoy's way of filling a table by weight, on go-maglev's
// permutations: in round r an endpoint may take a slot if r·weight has reached
// the number of slots it has times the largest weight. Equal weights give
// go-maglev's table.
//
// Asking everybody in every round would be slow where a large weight stands
// beside many small ones, so endpoints wait in a calendar for the round of their
// next turn. The one with the largest weight has a turn in every round, so the
// table is full before round size is over, and turns beyond it never come.
func weightedMaglev(ids []string, weights []uint32, size int) []int32 {
	owners := make([]int32, size)
	for slot := range owners {
		owners[slot] = -1
	}
	walkers := make([]maglevWalker, len(ids))
	rounds := newCalendar(size+1, len(ids))
	for i, id := range ids {
		walkers[i] = newMaglevWalker(id, size)
		rounds.add(1, i)
	}
	largest := uint64(slices.Max(weights))
	turns := make([]int, 0, len(ids))
	for free, round := size, 1; ; round++ {
		turns = turns[:0]
		for i := rounds.take(round); i >= 0; i = rounds.take(round) {
			turns = append(turns, i)
		}
		slices.Sort(turns)
		for _, i := range turns {
			w := &walkers[i]
			owners[w.take(owners)] = int32(i)
			if free--; free == 0 {
				return owners
			}
			weight := uint64(weights[i])
			due := (w.taken*largest + weight - 1) / weight
			if next := max(due, uint64(round+1)); next <= uint64(size) {
				rounds.add(int(next), i)
			}
		}
	}
}

// A maglevWalker goes through one endpoint's permutation of the slots.
type maglevWalker struct {
	at, step uint32
	taken    uint64
}

// newMaglevWalker has go-maglev's hash, of which it also takes the constants.
func newMaglevWalker(id string, size int) maglevWalker {
	h := siphash.Hash(0xdeadbeefcafebabe, 0, []byte(id))
	m := uint64(size)
	return maglevWalker{
		at:   uint32((h >> 32) % m),
		step: uint32((h&0xffffffff)%(m-1) + 1),
	}
}

// take returns the first free slot of the permutation and steps behind it.
func (w *maglevWalker) take(owners []int32) uint32 {
	size := uint32(len(owners))
	for {
		slot := w.at
		if w.at += w.step; w.at >= size {
			w.at -= size
		}
		if owners[slot] < 0 {
			w.taken++
			return slot
		}
	}
}
