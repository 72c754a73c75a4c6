package lb

import (
	"slices"

	"github.com/spillway-lb/spillway/balance"
)

// usedLevels returns which endpoints of each group are used, of those at the positions
// in: the first level that has somebody well, and where nobody is, the first that has
// anybody. Who is drained, down or of weight 0 is nobody. It is nil where no group has
// reserves.
func usedLevels(members []*member, in []int) map[int]int {
	if !slices.ContainsFunc(members, func(m *member) bool { return m.level > 0 }) {
		return nil
	}
	anybody, well := make(map[int]int), make(map[int]int)
	for _, i := range in {
		m := members[i]
		if m.admin != Ready || m.endpoint.Weight == 0 {
			continue
		}
		lower(anybody, m)
		if isWell(m) {
			lower(well, m)
		}
	}
	for group, level := range well {
		anybody[group] = level
	}
	return anybody
}

// lower notes m's level if it is the lowest of its group so far.
func lower(levels map[int]int, m *member) {
	if level, ok := levels[m.group]; !ok || m.level < level {
		levels[m.group] = m.level
	}
}

// first keeps of each group those of the level that is used.
func (d *ruling) first(members []*member, in []int) []int {
	used := usedLevels(members, in)
	if used == nil {
		return in
	}
	return d.keep(in, func(i int) Standing {
		if m := members[i]; m.level != used[m.group] {
			return StandsBy
		}
		return InUse
	})
}

// sizes counts the endpoints of each group that are used: reserves that wait are no
// capacity.
func (s *state) sizes() []int {
	sizes, used := make([]int, len(s.opt.Groups)), usedLevels(s.members, everybody(s.members))
	for _, m := range s.members {
		if used == nil || m.level == used[m.group] {
			sizes[m.group]++
		}
	}
	return sizes
}

// levels returns the endpoints of a group, level by level.
func (g *Group) levels() [][]balance.Endpoint {
	return append([][]balance.Endpoint{g.Endpoints}, g.Reserves...)
}

// all returns the endpoints of all levels where they are.
func (g *Group) all() (all []*balance.Endpoint) {
	for _, endpoints := range g.levels() {
		for i := range endpoints {
			all = append(all, &endpoints[i])
		}
	}
	return all
}

// clone returns a group with endpoints of its own.
func (g Group) clone() Group {
	g.Endpoints = slices.Clone(g.Endpoints)
	g.Reserves = slices.Clone(g.Reserves)
	for i := range g.Reserves {
		g.Reserves[i] = slices.Clone(g.Reserves[i])
	}
	return g
}
