package lb

import (
	"fmt"

	multierror "github.com/hashicorp/go-multierror"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// DefaultSubsetSize is how many endpoints of a group a balancer uses that does not
// know how many others there are (spec.md §6).
const DefaultSubsetSize = 20

// Subsetting makes a balancer use a part of each group, where many balancers with
// many endpoints would otherwise be more connections than endpoints can bear. It
// is for services without affinity: two balancers of a fleet need not agree on
// where a key goes. See balance.Subset.
type Subsetting struct {
	// Size is how many endpoints of each group are used. A group that has no more
	// is used whole. Default: DefaultSubsetSize.
	Size int
	// Seed tells this balancer from others; the same seed gives the same subset,
	// whatever the order of the endpoints. See balance.SubsetSeed.
	Seed uint64
}

// withDefaults returns s with its defaults, nil where there is none, and appends
// what is wrong with it.
func (s *Subsetting) withDefaults(errs *multierror.Error) (*Subsetting, *multierror.Error) {
	if s == nil {
		return nil, errs
	}
	filled := *s
	switch {
	case s.Size < 0:
		errs = multierror.Append(errs, fmt.Errorf("lb: subset size %d: want at least 1, or 0 for the default", s.Size))
	case s.Size == 0:
		filled.Size = DefaultSubsetSize
	}
	return &filled, errs
}

// rank gives each member its place among those of its group, from 0: reserves come
// after those whom they are for. Members are sorted by ID.
func (s *Subsetting) rank(members []*member) {
	if s == nil {
		return
	}
	at := make(map[int][][]*member) // by group and level
	for _, m := range members {
		for len(at[m.group]) <= m.level {
			at[m.group] = append(at[m.group], nil)
		}
		at[m.group][m.level] = append(at[m.group][m.level], m)
	}
	for _, levels := range at {
		first := 0
		for _, level := range levels {
			addrs := make([]string, len(level))
			for i, m := range level {
				addrs[i] = m.endpoint.Addr
			}
			for rank, i := range balance.Subset(s.Seed, addrs, len(addrs)) {
				level[i].rank = first + rank
			}
			first += len(level)
		}
	}
}

// subset keeps of each group the size members with the lowest ranks, and those
// that come next for as long as fewer than half of size can serve. So it grows
// when endpoints fail, one at a time, and is what it was when they are back.
func (d *ruling) subset(members []*member, in []int, size int) []int {
	if size == 0 {
		return in
	}
	ends := subsetEnds(members, size)
	return d.keep(in, func(i int) Standing {
		if members[i].rank < ends[members[i].group] {
			return InUse
		}
		return NotInSubset
	})
}

// subsetEnds returns, by group, the first rank that is not in its subset.
func subsetEnds(members []*member, size int) map[int]int {
	ranked := make(map[int][]*member) // of each group, by rank
	for _, m := range members {
		ranked[m.group] = append(ranked[m.group], nil)
	}
	for _, m := range members {
		ranked[m.group][m.rank] = m
	}
	ends := make(map[int]int, len(ranked))
	for group, all := range ranked {
		end, well := 0, 0
		for end < len(all) && (end < size || 2*well < size) {
			if m := all[end]; m.admin == Ready && !m.idle && m.endpoint.Weight > 0 && isWell(m) {
				well++
			}
			end++
		}
		ends[group] = end
	}
	return ends
}

// isWell reports whether m counts as healthy where endpoints are counted: also
// while it has not been checked even once, and not while it is ejected.
func isWell(m *member) bool {
	return !m.suspect.Ejected && (m.health == health.Healthy || m.health == health.Unknown && !m.checked)
}
