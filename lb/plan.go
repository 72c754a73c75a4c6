package lb

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
)

// A plan is how a snapshot of a service with capacities chooses: first a group,
// then an endpoint in it. It never changes; what is counted is in the flow and
// the groups' live parts.
type plan struct {
	capacity.Plan
	groups  []pool           // by position in Options.Groups
	given   []capacity.Group // that Plan is made of
	byName  []int            // groups in an order that is not the file's
	groupOf []int            // of each candidate
	tiers   []tier
	entry   distribution // of tiers; nil: always the first that serves
	first   int          // that tier; negative: nobody serves
	flow    *flow

	measures bool // how far a group is must be found out
}

// A pool is one group as picks see it.
type pool struct {
	chooser
	live      *groupLive
	tier      int            // the place of its tier in the order of filling; negative: none
	total     uint64         // sum of the candidates' shares
	limited   bool           // rate counts
	rate      float64        // requests per second that it takes
	limit     capacity.Limit // the same
	spare     capacity.Limit // as much of it as keys of other groups may fill
	slots     int64          // connections or requests under way; 0: they are not counted
	byReports bool           // rate is made of reports
}

// A tier is capacity.Tier, ready to be drawn from.
type tier struct {
	groups   []int
	region   string
	shares   distribution
	local    distribution // nil: no bias
	bias     *atomic.Uint64
	laid     []balance.Candidate // the groups, for table; see lay
	table    balance.Picker      // which group a key belongs to; nil if there is one
	overfill distribution        // of plan.byName, those in scope from here
	last     distribution        // the same, of plan.LastResort
}

// A distribution draws a position from a number that is even over 64 bits: the
// first whose sum of parts so far is above the number.
type distribution []uint64

// newDistribution takes parts that sum to something above 0; else it is nil.
func newDistribution(parts []float64) distribution {
	sum := 0.0
	for _, p := range parts {
		sum += p
	}
	if !(sum > 0) {
		return nil
	}
	d := make(distribution, len(parts))
	so, last := 0.0, 0
	for i, p := range parts {
		so += p
		d[i] = fraction(so / sum)
		if p > 0 {
			last = i
		}
	}
	for i := last; i < len(d); i++ {
		d[i] = math.MaxUint64 // whatever was lost by rounding
	}
	return d
}

func (d distribution) draw(x uint64) int {
	if len(d) > 16 {
		i, _ := slices.BinarySearch(d, x)
		if i < len(d) && d[i] == x { // the sum is not below
			i++
		}
		return min(i, len(d)-1)
	}
	for i, so := range d {
		if x < so {
			return i
		}
	}
	return len(d) - 1
}

// hasCapacity reports whether groups are chosen by capacity. The mode of what
// passes through is a symbol: it has no target, and nothing is ever full.
func (o *Options) hasCapacity() bool {
	return slices.ContainsFunc(o.Groups, func(g Group) bool {
		c := g.Capacity
		return c.Mode != capacity.NoMode && (c.Mode.ByReports() || c.Target(1) > 0)
	})
}

// makePlan arranges the groups. What has not changed since prev, which may be
// nil, it takes over, unless everything is to be made anew.
func (s *state) makePlan(prev *plan, d *ruling, candidates []balance.Candidate, anew bool) *plan {
	p := &plan{flow: s.flow, given: s.capacityGroups(d.shares)}
	p.Plan = capacity.Arrange(p.given, s.opt.Here, s.opt.Service)
	p.byName = byName(p.given)
	p.groups, p.groupOf = s.pools(p.given, candidates)
	for g := range p.groups {
		p.groups[g].build(s.opt.Policy, prev.pool(p.groups[g].live), anew)
	}
	p.measures = slices.ContainsFunc(p.given, func(g capacity.Group) bool { return !s.opt.knows(g.Place) })
	for g := range p.groups {
		p.groups[g].tier = slices.IndexFunc(p.Tiers, func(t capacity.Tier) bool { return slices.Contains(t.Groups, g) })
	}
	entries := make([]float64, len(p.Tiers))
	for i, t := range p.Tiers {
		entries[i] = t.Entry
		p.tiers = append(p.tiers, p.newTier(prev, t))
	}
	p.first = slices.IndexFunc(entries, func(e float64) bool { return e > 0 })
	if p.first >= 0 && entries[p.first] < 1 {
		p.entry = newDistribution(entries)
	}
	return p
}

// byName returns the positions of groups in the order of their names.
func byName(groups []capacity.Group) []int {
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(groups[a].Name, groups[b].Name) })
	return order
}

// pools sorts the candidates into groups.
func (s *state) pools(given []capacity.Group, candidates []balance.Candidate) (pools []pool, groupOf []int) {
	pools = make([]pool, len(s.opt.Groups))
	groupOf = make([]int, len(s.members))
	sizes := s.sizes()
	for i, m := range s.members {
		groupOf[i] = m.group
		pools[m.group].candidates = append(pools[m.group].candidates, candidates[i])
		pools[m.group].total += uint64(candidates[i].Share)
	}
	for g := range pools {
		p, mode := &pools[g], s.opt.Groups[g].Capacity.Mode
		p.live, p.byReports = s.groupLive(given[g].Name), mode.ByReports()
		if b := s.backend(g); countsSlots(&b) {
			p.slots = max(int64(b.Capacity(sizes[g])), 1)
		}
		if (mode == capacity.Rate || mode.ByReports()) && !given[g].Unlimited {
			p.limited, p.rate = true, given[g].Target
			p.limit, p.spare = capacity.LimitOf(p.rate), capacity.LimitOf(spareRoom*p.rate)
		}
	}
	return pools, groupOf
}

// equal reports whether picks by p and q, of the same candidates, are the same.
// Either may be nil.
func (p *plan) equal(q *plan) bool {
	if p == nil || q == nil {
		return p == q
	}
	same := func(a, b pool) bool {
		return a.live == b.live && a.limited == b.limited && a.rate == b.rate && a.slots == b.slots
	}
	shown := func(a, b capacity.Group) bool { return a.Drained == b.Drained && a.RTT == b.RTT }
	return slices.EqualFunc(p.groups, q.groups, same) && slices.EqualFunc(p.given, q.given, shown) && reflect.DeepEqual(p.Plan, q.Plan)
}

// pool finds the pool with this live part, or nil.
func (p *plan) pool(live *groupLive) *pool {
	if p == nil {
		return nil
	}
	for g := range p.groups {
		if p.groups[g].live == live {
			return &p.groups[g]
		}
	}
	return nil
}

func (p *plan) newTier(prev *plan, t capacity.Tier) tier {
	out := tier{
		groups: t.Groups,
		region: t.Region,
		shares: newDistribution(t.Shares),
		local:  newDistribution(t.Local),
		laid:   p.lay(t),
		bias:   new(atomic.Uint64),
	}
	out.bias.Store(math.MaxUint64) // demand is not known yet, and takes it for small
	out.overfill, out.last = p.inScope(t, p.Overfill), p.inScope(t, p.LastResort)
	old := prev.tierLike(&out)
	if old != nil {
		out.bias = old.bias
	}
	switch {
	case len(out.laid) < 2 || out.shares == nil:
	case old != nil && old.table != nil && slices.EqualFunc(old.laid, out.laid, sameShare):
		out.table, out.laid = old.table, old.laid
	default:
		out.table = balance.Maglev(groupTable)(out.laid)
	}
	return out
}

// idle reports whether a group takes nothing by the operator's word or because it was
// drained automatically. One that was serves all the same where nobody else could, and
// then it is not idle even while it is not its turn. p may be nil: nobody is.
func (p *plan) idle(g int) bool {
	if p == nil {
		return false
	}
	return p.given[g].Target == 0 || p.given[g].Drained && p.Overfill[g] == 0 && p.LastResort[g] == 0
}

// inScope are the parts, which are by group, of those that what enters at t may go to.
func (p *plan) inScope(t capacity.Tier, parts []float64) distribution {
	scope := make([]float64, len(p.byName))
	for i, g := range p.byName {
		if !p.Isolated || p.given[g].Region == t.Region {
			scope[i] = parts[g]
		}
	}
	return newDistribution(scope)
}

// tierLike finds the tier of the same groups, or nil.
func (p *plan) tierLike(t *tier) *tier {
	if p == nil {
		return nil
	}
	for i := range p.tiers {
		if slices.EqualFunc(p.tiers[i].laid, t.laid, func(a, b balance.Candidate) bool { return a.ID == b.ID }) {
			return &p.tiers[i]
		}
	}
	return nil
}

func sameShare(a, b balance.Candidate) bool {
	return a.Share == b.Share && a.Weight == b.Weight && a.Max == b.Max
}

// groupTable is the size of the tables that give keys to groups: a prime, far
// above the number of groups that a tier has.
const groupTable = 4093

// lay makes candidates of a tier's groups, for a table that keys are found in.
// Its weights are the targets, so that they change with the file and not with
// health: a group that cannot serve all its keys has a smaller share, and gets
// them back when it can. Max is the group's position in Options.Groups: nobody
// takes a lease on these.
func (p *plan) lay(t capacity.Tier) []balance.Candidate {
	mostTarget, mostPart := 0.0, 0.0
	for i, g := range t.Groups {
		mostTarget = max(mostTarget, p.nominal(g))
		mostPart = max(mostPart, t.Shares[i]/p.given[g].Target)
	}
	out := make([]balance.Candidate, len(t.Groups))
	for i, g := range t.Groups {
		weight := max(1, math.Round(1000*p.nominal(g)/mostTarget))
		part := t.Shares[i] / p.given[g].Target // of the keys that it can serve
		e := &balance.Endpoint{ID: p.given[g].Name, Weight: uint32(weight), Max: int64(g)}
		c := balance.Candidate{Endpoint: e}
		if part > 0 {
			c.Share = uint32(max(1, math.Round(weight*part/mostPart)))
		}
		out[i] = c
	}
	return out
}

// nominal is how many keys a group gets beside others. A target that is made of
// reports changes by the second, and keys should not: there members count.
func (p *plan) nominal(g int) float64 {
	if p.groups[g].byReports {
		return float64(max(len(p.groups[g].candidates), 1))
	}
	return p.given[g].Target
}
