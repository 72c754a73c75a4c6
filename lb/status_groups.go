package lb

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/spillway-lb/spillway/capacity"
)

// describe fills in what a status says of capacity.
func (s *state) describe(p *plan, now int64, st *Status) {
	sizes := s.sizes()
	demand, all := 0.0, uint64(0)
	for i := range p.groups {
		g, out := &p.groups[i], &st.Groups[i]
		known := s.groups[out.Name]
		b := s.backend(i)
		out.Mode, out.Scaler = b.Mode, b.EffectiveScaler()
		out.Drained = known.drained || out.Scaler == 0
		out.RTT, out.Tier = s.distance(p.given[i].Place), g.tier
		out.Target = s.target(i, p, sizes[i])
		if !out.Drained {
			out.Capacity = out.Target * out.Scaler
		}
		n, rate := known.recent.since()
		out.Usage = rate
		switch {
		case g.slots > 0 && !out.Mode.ByReports():
			out.Usage = float64(g.live.gauge.Active())
		case known.recent.n < 2 && g.limited:
			out.Usage = g.usage(now)
		}
		out.Fullness = s.fullness(i, g, out)
		if out.Mode.ByReports() {
			out.Metrics = known.metrics
		}
		out.ShareActual = float64(n)
		demand += out.Usage
		all += n
		g.live.spilt.Range(func(to, n any) bool {
			if to := to.(*groupLive); s.isCurrent(to) { // a pick may still see one that is gone
				st.Spills = append(st.Spills, Spill{From: out.Name, To: to.name, Count: n.(*atomic.Uint64).Load()})
			}
			return true
		})
	}
	expected := p.Plan
	if s.keyed || s.flow.keyed.Load() {
		expected = unbiased(expected)
	}
	for i, share := range expected.Fill(p.given, demand) {
		st.Groups[i].Share = share
		if all > 0 {
			st.Groups[i].ShareActual /= float64(all)
		}
	}
	slices.SortFunc(st.Spills, func(a, b Spill) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
}

// unbiased is how p works out for keys, which belong to a group wherever the
// balancer is.
func unbiased(p capacity.Plan) capacity.Plan {
	p.Tiers = slices.Clone(p.Tiers)
	for i := range p.Tiers {
		p.Tiers[i].Local = nil
	}
	return p
}

// target is a group's target, without its scaler; 0 while it is to be learned from
// reports and is not known, and of a group that is always full.
func (s *state) target(group int, p *plan, size int) float64 {
	b, g := s.backend(group), &p.given[group]
	switch {
	case !b.Mode.ByReports():
		return b.Target(size)
	case g.Unlimited || b.EffectiveScaler() == 0 || b.AlwaysFull():
		return 0
	default:
		return g.Target / b.EffectiveScaler()
	}
}

// fullness is the highest of usage ÷ capacity, or 1 of a group that is always full.
func (s *state) fullness(group int, p *pool, g *GroupStatus) float64 {
	if !g.Drained && s.opt.Groups[group].Capacity.AlwaysFull() {
		return 1
	}
	f := 0.0
	if g.Capacity > 0 {
		f = g.Usage / g.Capacity
	}
	if r := s.groups[g.Name].reading; r.Max > 0 && !g.Drained {
		f = max(f, r.Fullness()/g.Scaler)
	}
	if p.slots > 0 && !g.Drained {
		f = max(f, float64(p.live.gauge.Active())/float64(p.slots))
	}
	return f
}
