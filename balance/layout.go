package balance

import (
	"slices"
	"sync/atomic"
	"weak"

	"github.com/cespare/xxhash/v2"
)

// A layout is a table as it is laid: who owns which slot while everybody takes all
// that they are offered. It follows from IDs and weights alone and never changes, and
// to lay it is most of the work of building a picker. So pickers share it.
type layout[I index] struct {
	rule    string   // the policy's name
	size    int      // slots of a Maglev table
	ids     []string // of all candidates, in order
	hashes  []uint64 // of the IDs
	weights []uint32 // theirs, as far as the rule tells them apart

	owners []I    // by slot: what the rule makes of all this
	circle circle // and where a ring has the slots
}

// newLayout returns one that is still to be laid.
func newLayout[I index](rule string, size int, c []Candidate, weights []uint32) *layout[I] {
	l := &layout[I]{rule: rule, size: size, ids: make([]string, len(c)), hashes: make([]uint64, len(c)), weights: weights}
	for i := range c {
		l.ids[i], l.hashes[i] = c[i].ID, xxhash.Sum64String(c[i].ID)
	}
	return l
}

// same reports whether l and o are laid alike.
func (l *layout[I]) same(o *layout[I]) bool {
	return l.rule == o.rule && l.size == o.size && slices.Equal(l.weights, o.weights) && slices.Equal(l.ids, o.ids)
}

// print is the same number for layouts that are the same.
func (l *layout[I]) print() uint64 {
	h := mix(xxhash.Sum64String(l.rule) ^ uint64(l.size))
	for i, id := range l.hashes {
		h = mix(mix(h^id) ^ uint64(l.weights[i]))
	}
	return h
}

// A shelf has the layouts that pickers use now. Who builds a picker for a list takes
// the layout from there if anybody has one for the same IDs and weights: the picker
// before, while only shares change, as they do each second of a warm-up, or another
// service's.
//
// Its pointers are weak. A layout goes with its last picker, so there is nothing to
// give back, to limit or to clear, and no picker knows the one before.
type shelf[I index] struct {
	places atomic.Pointer[[]place[I]] // a list never changes
}

type place[I index] struct {
	print  uint64
	layout weak.Pointer[layout[I]]
}

// One for each width of positions, for the whole process.
var (
	narrow shelf[uint16]
	wide   shelf[uint32]
)

// take returns the layout that is the same as want, which lay completes if there is
// none. Of two who lay the same at one time one's work is lost.
func (s *shelf[I]) take(want *layout[I], lay func(*layout[I])) *layout[I] {
	print := want.print()
	if l, _ := s.find(want, print); l != nil {
		return l
	}
	lay(want)
	for {
		l, places := s.find(want, print)
		if l != nil {
			return l
		}
		if s.places.CompareAndSwap(places, s.with(want, print, places)) {
			return want
		}
	}
}

// find looks for a layout in the list of places there is, which it returns too.
func (s *shelf[I]) find(want *layout[I], print uint64) (*layout[I], *[]place[I]) {
	places := s.places.Load()
	if places == nil {
		return nil, nil
	}
	for _, p := range *places {
		if p.print == print {
			if l := p.layout.Value(); l != nil && l.same(want) {
				return l, places
			}
		}
	}
	return nil, places
}

// with returns the list with one more, without those whose layout is gone.
func (s *shelf[I]) with(l *layout[I], print uint64, places *[]place[I]) *[]place[I] {
	next := []place[I]{{print, weak.Make(l)}}
	if places != nil {
		for _, p := range *places {
			if p.layout.Value() != nil {
				next = append(next, p)
			}
		}
	}
	return &next
}
