package balance

import "slices"

// somePickable reports whether anybody may be picked.
func somePickable(c []Candidate) bool {
	return slices.ContainsFunc(c, func(c Candidate) bool { return c.Share > 0 })
}

// pickable returns the candidates that may be picked, in order.
func pickable(c []Candidate) []Candidate {
	in := make([]Candidate, 0, len(c))
	for _, c := range c {
		if c.Share > 0 {
			in = append(in, c)
		}
	}
	return in
}

// endpointsOf returns the endpoints of c, in order.
func endpointsOf(c []Candidate) []*Endpoint {
	e := make([]*Endpoint, len(c))
	for i := range c {
		e[i] = c[i].Endpoint
	}
	return e
}

// equalShares reports whether all of c have the same share.
func equalShares(c []Candidate) bool {
	for i := range c {
		if c[i].Share != c[0].Share {
			return false
		}
	}
	return true
}

// nobody is the picker for a list without anybody to pick, which a Policy need
// not accept: better an answer that callers know from exhausted alternatives
// than a panic far from the mistake.
type nobody struct{}

func (nobody) Pick(Request) *Endpoint { return nil }

// An index is a position in a list of endpoints, as tables store it: two bytes
// where that fits, so that a table of 65537 slots stays in a core's own cache.
type index interface{ uint16 | uint32 }

// maxUint16Len is the longest list whose positions fit in a uint16 with one
// value to spare, which marks a slot that nobody has yet.
const maxUint16Len = 1<<16 - 1
