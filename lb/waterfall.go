package lb

import (
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
)

// A picking is one pick through a plan: in which tier it begins, which group it
// finds there, whether that has room, and where it goes if not (spec.md §3.2).
// Whether there is room is decided in admission.go.
type picking struct {
	plan    *plan
	request *Request

	home      int   // the group that it belongs to in the tier where it began; negative: none
	now       int64 // by the flow's clock; 0: not looked at yet
	saturated bool  // somebody was there, but at his Max

	courtesies courtesies // that were met with
	insists    bool       // and heeds none
}

// pick takes a lease in the first group with room; where none has, in proportion
// to capacity, so that nobody is refused while somebody can serve.
func (p *picking) pick() (Lease, error) {
	if p.plan.first < 0 {
		return Lease{}, ErrNoEndpoint
	}
	turn := p.plan.flow.turn.Add(1)
	if p.request.Keyed && !p.request.trace.dry() {
		p.plan.flow.noteKey()
	}
	entry, asked := p.entry(turn), 0
	for i := range p.plan.tiers {
		at := (entry + i) % len(p.plan.tiers)
		t := &p.plan.tiers[at]
		if t.shares == nil || p.plan.Isolated && t.region != p.plan.tiers[entry].region {
			continue
		}
		if asked++; asked > 2 {
			if g, l, ok := p.insist(); ok {
				p.ended(g)
				return l, nil
			}
		}
		own := p.own(t, turn)
		if i == 0 {
			p.home = own
			p.request.trace.begin(own)
		}
		if g, l, ok := p.pickFrom(t, own, i == 0); ok {
			p.ended(g)
			return l, nil
		}
	}
	if g, l, ok := p.insist(); ok {
		p.ended(g)
		return l, nil
	}
	return p.overfill(&p.plan.tiers[entry])
}

// entry is the tier in which the pick begins: the first, unless so many are ill
// there that a part of the traffic begins in others. A key always begins in the
// same.
func (p *picking) entry(turn uint64) int {
	switch {
	case p.plan.entry == nil:
		return p.plan.first
	case p.request.Keyed:
		return p.plan.entry.draw(mix(p.request.Key ^ entrySalt))
	default:
		return p.plan.entry.draw(spread(mix(turn)))
	}
}

// Salts make hashes of one key independent of each other.
const (
	entrySalt = 0x632be59bd9b4e019
	groupSalt = 0xd6e8feb86659fd93
	gateSalt  = 0xa0761d6478bd642f
)

// own is the group, as a position in the plan's, that the pick belongs to in a
// tier: by its key, else in turn.
func (p *picking) own(t *tier, turn uint64) int {
	switch {
	case len(t.groups) == 1:
		return t.groups[0]
	case p.request.Keyed:
		return t.groupOf(p.request.Key, 0)
	}
	if t.local != nil {
		p.lean(t, turn)
		if mix(turn) < t.bias.Load() {
			return t.groups[t.local.draw(spread(turn))]
		}
	}
	return t.groups[t.shares.draw(spread(turn))]
}

// groupOf is the key's try-th choice among a tier's groups; negative: there are no
// more that serve.
func (t *tier) groupOf(key uint64, try int) int {
	e := t.table.Pick(balance.Request{Key: mix(key ^ groupSalt), Keyed: true, Try: try})
	if e == nil {
		return -1
	}
	return int(e.Max)
}

// lean finds out anew, every few turns, how idle the tier is, and so how much of
// it the balancer's own zone gets.
func (p *picking) lean(t *tier, turn uint64) {
	const often = 16
	if turn%often != 0 {
		return
	}
	usage, target := 0.0, 0.0
	for _, g := range t.groups {
		usage += p.plan.groups[g].usage(p.clock())
		target += p.plan.given[g].Target
	}
	t.bias.Store(fraction(capacity.Bias(usage / target)))
}

// pickFrom takes a lease in a tier: in the pick's own group if that has room, else
// in another. first says that the pick began in this tier, and so belongs there.
func (p *picking) pickFrom(t *tier, own int, first bool) (int, Lease, bool) {
	if own >= 0 {
		if l, ok := p.pickIn(own, first); ok {
			return own, l, true
		}
	}
	if len(t.groups) == 1 {
		return own, Lease{}, false
	}
	if p.request.Keyed {
		for try := 1; try < min(len(t.groups), keyTries); try++ {
			g := t.groupOf(p.request.Key, try)
			if g < 0 {
				return own, Lease{}, false
			}
			if l, ok := p.pickIn(g, false); ok {
				return g, l, true
			}
		}
		if len(t.groups) <= keyTries {
			return own, Lease{}, false
		}
		return p.pickNext(t, own, t.shares.draw(mix(p.request.Key^entrySalt)), false)
	}
	return p.pickNext(t, own, t.shares.draw(spread(p.plan.flow.excess.Add(1))), first)
}

// keyTries is how many groups of a tier a key has choices of its own among. Each
// is found by a walk past those before.
const keyTries = 8

// pickNext takes a lease in the first group with room, from a place in a tier on:
// that place is drawn in proportion again, and then comes whoever is next.
func (p *picking) pickNext(t *tier, own, start int, first bool) (int, Lease, bool) {
	for i := range t.groups {
		at := (start + i) % len(t.groups)
		g := t.groups[at]
		if g == own || t.shares.part(at) == 0 { // no share: drained, or all ill
			continue
		}
		if l, ok := p.pickIn(g, first); ok {
			return g, l, true
		}
	}
	return own, Lease{}, false
}

// pickIn takes a lease in a group if that has room. belongs says that the pick is
// one of those that the group is there for.
func (p *picking) pickIn(group int, belongs bool) (Lease, bool) {
	g := &p.plan.groups[group]
	if g.picker == nil {
		return Lease{}, false
	}
	switch p.admit(g, belongs) {
	case capacity.Taken:
	case capacity.Crowded:
		p.courtesies.note(group, belongs)
		fallthrough
	default:
		p.request.trace.refuse(group)
		return Lease{}, false
	}
	l, ok := p.take(g)
	switch {
	case !ok:
		p.giveBack(g)
	case !belongs:
		p.welcome(g)
	}
	return l, ok
}

// take finds an endpoint in a group.
func (p *picking) take(g *pool) (Lease, bool) {
	r := p.request
	r.trace.enter()
	if len(r.Avoid) == 0 && !r.trace.dry() {
		e := g.picker.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed})
		if e.Load.Acquire(e.Max) {
			return g.lease(Lease{Endpoint: e}), true
		}
	}
	l, err := g.find(r, ErrNoEndpoint)
	p.saturated = p.saturated || err == ErrSaturated
	return g.lease(l), err == nil
}

// lease makes the lease count for the group.
func (g *pool) lease(l Lease) Lease {
	if g.slots > 0 {
		l.group = &g.live.gauge
	}
	return l
}

// overfill takes a lease although everybody is full, in proportion to capacity. Where
// all who are well are at their Max, those are asked that are ill and serve.
func (p *picking) overfill(from *tier) (Lease, error) {
	p.request.trace.overfill()
	for _, d := range [...]distribution{from.overfill, from.last} {
		if d == nil {
			continue
		}
		if l, ok := p.overfillOne(d); ok {
			return l, nil
		}
	}
	if p.saturated && from.overfill != nil {
		return Lease{}, ErrSaturated
	}
	return Lease{}, ErrNoEndpoint
}

// overfillOne takes a lease in the group that d draws, or in the next one that has
// somebody: a key always in the same group. While all are full so much comes this way
// that it is nearly everything, so what each gets is in proportion, too.
func (p *picking) overfillOne(d distribution) (Lease, bool) {
	x := mix(p.request.Key ^ entrySalt ^ groupSalt)
	if !p.request.Keyed {
		x = spread(p.plan.flow.excess.Add(1))
	}
	start := d.draw(x)
	for i := range p.plan.byName {
		at := (start + i) % len(p.plan.byName)
		group := p.plan.byName[at]
		g := &p.plan.groups[group]
		if g.picker == nil || d.part(at) == 0 {
			continue
		}
		g.force(p.request.trace)
		if l, ok := p.take(g); ok {
			p.welcome(g)
			p.ended(group)
			return l, true
		}
		p.giveBack(g)
	}
	return Lease{}, false
}

// ended counts a pick that has ended in another tier than it began in.
func (p *picking) ended(group int) {
	if p.home < 0 || p.request.trace.dry() {
		return
	}
	if p.home != group && !p.request.full && p.request.belongs() {
		p.plan.flow.displaced.groupFull.Add(1)
	}
	if from, to := &p.plan.groups[p.home], &p.plan.groups[group]; from.tier != to.tier {
		from.live.spill(to.live)
	}
}

// part is the part of 2⁶⁴ that draws i.
func (d distribution) part(i int) uint64 {
	if i == 0 {
		return d[0]
	}
	return d[i] - d[i-1]
}

// keep makes a lease of a session, which goes on whether there is room or not,
// count for its group. p may be nil.
func (p *plan) keep(l Lease, candidate int, t *trace) Lease {
	if p == nil {
		return l
	}
	g := &p.groups[p.groupOf[candidate]]
	g.force(t)
	return g.lease(l)
}

// clock is the time of the pick. Most picks need none.
func (p *picking) clock() int64 {
	if p.now == 0 {
		p.now = p.plan.flow.clock()
	}
	return p.now
}
