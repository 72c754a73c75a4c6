package capacity

import (
	"cmp"
	"slices"
)

// Arrange says in which order a proxy at here fills groups, and with which
// shares (spec.md §3). The order of groups does not matter, but for the
// positions in the plan.
//
// Nearer comes first: the proxy's own zone is 0 away and its own region before
// all others, whatever the distances say; what is not known comes after what is,
// a zone after the known ones of its region; then names decide.
//
// Preferred groups are tiers of their own, before all others. With Isolation
// every tier is of one region and regions come first: preferred groups are the
// first of their region, and SprayToWorld has no world to spray to but a region.
func Arrange(groups []Group, here Place, p ServicePolicy) Plan {
	s := weigh(groups, here, p)
	plan := Plan{
		Tiers:    order(groups, here, p),
		Overfill: make([]float64, len(groups)),
		Isolated: p.Isolation == Nearest,

		LastResort: s.lastResort(),
	}
	healths := make([]float64, len(plan.Tiers))
	for i := range plan.Tiers {
		t := &plan.Tiers[i]
		t.Shares = s.shares(t.Groups)
		if p.Algorithm == WaterfallByRegion && !groups[t.Groups[0]].Preferred {
			t.Local = s.local(geography{here: here}, t)
		}
		healths[i] = s.health(t.Groups)
	}
	enter(plan.Tiers, healths)
	all := byName(groups)
	for i, part := range s.shares(all) {
		plan.Overfill[all[i]] = part
	}
	return plan
}

// enter says where traffic begins. Where everybody is ill and some serve all the
// same (panic), that is the nearest of them.
func enter(tiers []Tier, healths []float64) {
	for i, load := range priorityLoads(healths) {
		tiers[i].Entry = load
	}
	serves := func(t Tier) bool { return slices.ContainsFunc(t.Shares, positive) }
	nearest := slices.IndexFunc(tiers, serves)
	if nearest >= 0 && !slices.ContainsFunc(healths, positive) {
		tiers[nearest].Entry = 1
	}
}

func positive(x float64) bool { return x > 0 }

// A place in the order: groups that have the same are one tier.
type rank struct {
	preferred bool
	Place            // as far as it matters
	name      string // of a preferred group
}

// order makes the tiers, without their shares.
func order(groups []Group, here Place, p ServicePolicy) []Tier {
	tiers := make(map[rank][]int)
	for i, g := range groups {
		if inScope(g, here, p) {
			r := rankOf(g, p)
			tiers[r] = append(tiers[r], i)
		}
	}
	geo := survey(groups, here)
	ranks := make([]rank, 0, len(tiers))
	for r := range tiers {
		ranks = append(ranks, r)
	}
	slices.SortFunc(ranks, func(a, b rank) int {
		isolated := 0
		if p.Isolation != NotIsolated {
			isolated = geo.compareRegions(a.Region, b.Region)
		}
		return cmp.Or(isolated, first(a.preferred, b.preferred), geo.compareRanks(a, b, p.Algorithm),
			cmp.Compare(a.Region, b.Region), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.name, b.name))
	})
	out := make([]Tier, len(ranks))
	for i, r := range ranks {
		members := tiers[r]
		slices.SortFunc(members, func(a, b int) int { return cmp.Compare(groups[a].Name, groups[b].Name) })
		out[i] = Tier{Region: r.Region, Groups: members}
	}
	return out
}

func rankOf(g Group, p ServicePolicy) rank {
	switch {
	case g.Preferred:
		return rank{preferred: true, Place: g.Place, name: g.Name}
	case p.Algorithm == WaterfallByZone:
		return rank{Place: g.Place}
	case p.Algorithm == SprayToWorld && p.Isolation == NotIsolated:
		return rank{}
	default:
		return rank{Place: Place{Region: g.Region}}
	}
}

// compareRanks orders by distance, both or none of them preferred.
func (g geography) compareRanks(a, b rank, by Algorithm) int {
	if a.preferred || by == WaterfallByZone {
		return g.compareZones(a.Place, b.Place)
	}
	return g.compareRegions(a.Region, b.Region)
}

// inScope reports whether the operator wants a proxy at here to use g at all.
func inScope(g Group, here Place, p ServicePolicy) bool {
	return g.Target > 0 && (p.Isolation != Strict || g.Region == here.Region)
}

// byName returns the positions of all groups, in the order of names: sums are
// the same to the last bit in whatever order the groups come.
func byName(groups []Group) []int {
	all := make([]int, len(groups))
	for i := range all {
		all[i] = i
	}
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(groups[a].Name, groups[b].Name) })
	return all
}
