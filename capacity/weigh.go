package capacity

import "slices"

// Availability is the part of a group's share that stays with it when only
// healthy of its members are well: all of it down to threshold percent, and in
// proportion below (spec.md §3.5). Envoy's overprovisioning factor of 1.4 is a
// threshold of 100 / 1.4.
func Availability(healthy, members int, threshold float64) float64 {
	if healthy <= 0 || members <= 0 {
		return 0
	}
	return min(1, float64(healthy)/float64(members)/(threshold/100))
}

// threshold is FailoverHealthThreshold with its default, in percent.
func (p ServicePolicy) threshold() float64 {
	if p.FailoverHealthThreshold == 0 {
		return DefaultFailoverHealthThreshold
	}
	return float64(p.FailoverHealthThreshold)
}

// A scale weighs groups against each other.
type scale struct {
	groups    []Group
	threshold float64
	ignored   []bool    // drained: health that is not there is not missed
	targets   []float64 // 0 for those that take nothing now
	effective []float64 // target × availability
}

// weigh works out who takes how much. Groups that are drained automatically
// take nothing, unless nobody else could.
func weigh(groups []Group, here Place, p ServicePolicy) scale {
	s := scale{
		groups:    groups,
		threshold: p.threshold(),
		ignored:   make([]bool, len(groups)),
		targets:   make([]float64, len(groups)),
		effective: make([]float64, len(groups)),
	}
	others := slices.ContainsFunc(groups, func(g Group) bool {
		return g.Serving && !g.Drained && inScope(g, here, p)
	})
	for i, g := range groups {
		s.ignored[i] = g.Drained && others
		if g.Serving && !s.ignored[i] && inScope(g, here, p) {
			s.targets[i] = g.Target
			s.effective[i] = g.Target * Availability(g.Healthy, g.Members, s.threshold)
		}
	}
	return s
}

// shares are the parts of groups, by effective weight. Where all are ill and
// some serve all the same (panic), health is no help and the target decides.
func (s scale) shares(of []int) []float64 {
	if parts, ok := normalized(s.effective, of); ok {
		return parts
	}
	parts, _ := normalized(s.targets, of)
	return parts
}

// lastResort are the parts of groups to which shares gives nothing, and that serve all
// the same: nobody is refused while they can.
func (s scale) lastResort() []float64 {
	parts := make([]float64, len(s.groups))
	of := byName(s.groups)
	if _, ok := normalized(s.effective, of); !ok {
		return parts // shares are theirs
	}
	rest := make([]float64, len(s.groups))
	for i, e := range s.effective {
		if e == 0 {
			rest[i] = s.targets[i]
		}
	}
	spread, _ := normalized(rest, of)
	for i, part := range spread {
		parts[of[i]] = part
	}
	return parts
}

// local are the shares of t for the groups in the proxy's own zone alone; nil if
// that is no other than t.Shares, or if it cannot be known when the region stops
// being idle, because somebody's target is no limit.
func (s scale) local(geo geography, t *Tier) []float64 {
	local, others := make([]float64, len(t.Groups)), false
	for i, g := range t.Groups {
		switch {
		case t.Shares[i] == 0:
		case s.groups[g].Unlimited:
			return nil
		case geo.ownZone(s.groups[g].Place):
			local[i] = t.Shares[i]
		default:
			others = true
		}
	}
	sum := 0.0
	for _, x := range local {
		sum += x
	}
	if sum == 0 || !others {
		return nil
	}
	for i := range local {
		local[i] /= sum
	}
	return local
}

// health is the part of what enters at a tier that can stay there: Envoy's
// health of a priority.
func (s scale) health(of []int) float64 {
	healthy, members := 0, 0
	for _, g := range of {
		if s.ignored[g] {
			continue
		}
		members += s.groups[g].Members
		if s.groups[g].Serving {
			healthy += s.groups[g].Healthy
		}
	}
	return Availability(healthy, members, s.threshold)
}

// priorityLoads is Envoy's rule: each tier gets what its health allows, and the
// next one of what is left; where all of them together are not well enough,
// each gets more in proportion. All are 0 if all healths are.
func priorityLoads(healths []float64) []float64 {
	sum := 0.0
	for _, h := range healths {
		sum += h
	}
	loads := make([]float64, len(healths))
	if sum == 0 {
		return loads
	}
	rest := 1.0
	for i, h := range healths {
		loads[i] = min(rest, h/min(1, sum))
		rest -= loads[i]
	}
	return loads
}

// normalized returns the weights of some groups, divided by their sum; all 0,
// and false, if that is 0.
func normalized(weights []float64, of []int) ([]float64, bool) {
	sum := 0.0
	for _, g := range of {
		sum += weights[g]
	}
	parts := make([]float64, len(of))
	if sum == 0 {
		return parts, false
	}
	for i, g := range of {
		parts[i] = weights[g] / sum
	}
	return parts, true
}
