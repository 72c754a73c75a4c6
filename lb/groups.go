package lb

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/capacity"
)

// groupState is what the writer knows of a group with a capacity. It follows the
// group's name.
type groupState struct {
	live    *groupLive
	scaling *scaling // the operator's, nil: as the options say
	drained bool     // automatically
	total   uint64   // leases that its members ever got, up to the last sweep
	recent  recent

	reading  capacity.Reading // of the last sweep; no Max: none
	metrics  []MetricStatus   // that it was made of, and dry runs; replaced, not changed
	estimate capacity.Estimate
	target   float64 // as it is published: it does not follow every little change
}

// A scaling is a scaler that the operator has set, in the place of one from the
// options. It goes when those have another.
type scaling struct {
	scaler, inPlaceOf float64 // 0: drained
}

// keepGroups forgets groups that are gone and makes room for new ones.
func (s *state) keepGroups() {
	old := s.groups
	s.groups = nil
	if s.opt.hasCapacity() {
		s.takeGroups(old)
	}
	s.forgetGroups(old)
	maps.DeleteFunc(s.rtts, func(p capacity.Place, _ time.Duration) bool {
		return !slices.ContainsFunc(s.opt.Groups, func(g Group) bool { return p == capacity.Place{Region: g.Region, Zone: g.Zone} })
	})
}

// forgetGroups lets go of the old groups that are gone. Leases may still be held
// there: should a group come back before they end, they are counted there, too.
func (s *state) forgetGroups(old map[string]*groupState) {
	for name, g := range old {
		if s.groups[name] == nil {
			g.live.spilt.Clear()
			s.departedGroups = append(s.departedGroups, g.live)
		}
	}
	s.departedGroups = slices.DeleteFunc(s.departedGroups, func(l *groupLive) bool {
		return s.isCurrent(l) || l.gauge.Active() == 0
	})
	for _, g := range s.groups {
		g.live.spilt.Range(func(to, _ any) bool {
			if !s.isCurrent(to.(*groupLive)) {
				g.live.spilt.Delete(to)
			}
			return true
		})
	}
}

// isCurrent reports whether l is of a group that there is.
func (s *state) isCurrent(l *groupLive) bool {
	g := s.groups[l.name]
	return g != nil && g.live == l
}

// newLive makes a group's live part, or takes the one that it had.
func (s *state) newLive(name string) *groupLive {
	if i := slices.IndexFunc(s.departedGroups, func(l *groupLive) bool { return l.name == name }); i >= 0 {
		return s.departedGroups[i]
	}
	return &groupLive{name: name}
}

// takeGroups makes the groups of the options, of the old ones where there are.
func (s *state) takeGroups(old map[string]*groupState) {
	s.groups = make(map[string]*groupState, len(s.opt.Groups))
	for i := range s.opt.Groups {
		o := &s.opt.Groups[i]
		g := old[o.Name]
		if g == nil {
			g = &groupState{live: s.newLive(o.Name)}
		}
		if !o.Capacity.Mode.ByReports() { // what they said is out of date when they count again
			g.reading, g.estimate, g.target = capacity.Reading{}, capacity.Estimate{}, 0
		}
		if g.scaling != nil && g.scaling.inPlaceOf != o.Capacity.EffectiveScaler() {
			g.scaling = nil
		}
		s.groups[o.Name] = g
	}
	if !s.hasOther("") { // those that were not drained are gone
		for _, g := range s.groups {
			g.scaling = nil
		}
	}
}

// backend is the group's, with the scaler that counts now.
func (s *state) backend(group int) capacity.Backend {
	b := s.opt.Groups[group].Capacity
	if own := s.groups[s.opt.Groups[group].Name].scaling; own != nil {
		b.Scaler, b.Drained = own.scaler, own.scaler == 0
	}
	return b
}

// groupLive returns the live part of a group with a capacity.
func (s *state) groupLive(name string) *groupLive { return s.groups[name].live }

// SetScaler sets the part of a group's target that is to be used: 0.1 to 1, or 0
// to drain it. It stays until the options have another, or no such group.
func (b *Balancer) SetScaler(group string, scaler float64) error {
	return b.write(func(s *state) (bool, error) { return false, s.setScaler(group, scaler) })
}

// ResetScaler undoes SetScaler: the options' own scaler counts again.
func (b *Balancer) ResetScaler(group string) error {
	return b.write(func(s *state) (bool, error) {
		i := slices.IndexFunc(s.opt.Groups, func(g Group) bool { return g.Name == group })
		if i < 0 {
			return false, fmt.Errorf("lb: service %q has no group %q", s.opt.Name, group)
		}
		if g := s.groups[group]; g != nil {
			return false, s.setScaler(group, s.opt.Groups[i].Capacity.EffectiveScaler())
		}
		return false, nil
	})
}

func (s *state) setScaler(group string, scaler float64) error {
	g := s.groups[group]
	switch {
	case g == nil && s.opt.hasGroup(group):
		return fmt.Errorf("lb: group %q of service %q has no balancing mode, and so no capacity to scale", group, s.opt.Name)
	case g == nil:
		return fmt.Errorf("lb: service %q has no group %q", s.opt.Name, group)
	case scaler != 0 && !(scaler >= capacity.MinScaler && scaler <= 1):
		return fmt.Errorf("lb: capacity scaler %v: want 0, or %v to 1", scaler, capacity.MinScaler)
	case scaler == 0 && !s.hasOther(group):
		return fmt.Errorf("lb: no other group of service %q has any capacity: a scaler of 0 would leave nobody", s.opt.Name)
	}
	for i := range s.opt.Groups {
		if o := &s.opt.Groups[i]; o.Name == group {
			g.scaling = nil
			if own := o.Capacity.EffectiveScaler(); own != scaler {
				g.scaling = &scaling{scaler: scaler, inPlaceOf: own}
			}
		}
	}
	return nil
}

// hasOther reports whether a group beside this one has a scaler above 0.
func (s *state) hasOther(group string) bool {
	for i := range s.opt.Groups {
		if s.opt.Groups[i].Name != group && s.scalerOf(i) > 0 {
			return true
		}
	}
	return false
}

func (o *Options) hasGroup(name string) bool {
	return slices.ContainsFunc(o.Groups, func(g Group) bool { return g.Name == name })
}

func (s *state) noEndpoint(id string) error {
	return fmt.Errorf("lb: service %q has no endpoint %q", s.opt.Name, id)
}

// scalerOf is the scaler that counts for a group now.
func (s *state) scalerOf(group int) float64 {
	b := s.backend(group)
	return b.EffectiveScaler()
}

// drainedGroups says which groups have a scaler of 0.
func (s *state) drainedGroups() []bool {
	drained := make([]bool, len(s.opt.Groups))
	if s.opt.hasCapacity() {
		for i := range drained {
			drained[i] = s.scalerOf(i) == 0
		}
	}
	return drained
}

// capacityGroups describes the groups to capacity.Arrange. With no shares nobody
// serves.
func (s *state) capacityGroups(shares []uint32) []capacity.Group {
	groups := make([]capacity.Group, len(s.opt.Groups))
	sizes, used := s.sizes(), usedLevels(s.members, everybody(s.members))
	for i, m := range s.members {
		if used != nil && m.level != used[m.group] {
			continue
		}
		g := &groups[m.group]
		g.Serving = g.Serving || shares != nil && shares[i] > 0
		if m.admin == Ready && m.endpoint.Weight > 0 {
			g.Members++
			if isWell(m) {
				g.Healthy++
			}
		}
	}
	for i := range groups {
		g, o := &groups[i], &s.opt.Groups[i]
		g.Name, g.Place = o.Name, capacity.Place{Region: o.Region, Zone: o.Zone}
		g.Preferred = o.Capacity.Preferred
		g.Drained = s.groups[o.Name].drained
		g.RTT = s.distance(g.Place)
		b := s.backend(i)
		g.Target = b.Capacity(sizes[i])
	}
	s.estimate(groups, sizes)
	return groups
}

// distance is how far a place is: nothing to where the balancer is, else what the
// options say, else what connects have taken. Negative: not known.
func (s *state) distance(p capacity.Place) time.Duration {
	if p == s.opt.Here && p != (capacity.Place{}) {
		return 0
	}
	for _, z := range s.opt.Zones {
		if z.Place == p {
			return z.RTT
		}
	}
	if rtt, ok := s.rtts[p]; ok {
		return rtt
	}
	return -1
}

// knows reports whether how far a place is need not be measured.
func (o *Options) knows(p capacity.Place) bool {
	return p == o.Here && p != (capacity.Place{}) ||
		slices.ContainsFunc(o.Zones, func(z capacity.Zone) bool { return z.Place == p })
}
