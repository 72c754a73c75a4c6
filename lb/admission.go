package lb

import "github.com/spillway-lb/spillway/capacity"

// Whether a group has room for a pick is decided here and now, from its counters:
// slots of connections or requests under way, and a meter for a rate (spec.md §3.2).
// What is admitted has its place taken, and gives it back if nobody in the group can
// be had.

// giveBack undoes admit and force.
func (p *picking) giveBack(g *pool) {
	if p.request.trace.dry() {
		return
	}
	if g.slots > 0 {
		g.live.gauge.Release()
	}
	if g.limited {
		g.live.meter.Undo()
	}
}

// admit takes a place in the group, if there is one.
func (p *picking) admit(g *pool, belongs bool) capacity.Verdict {
	if g.slots > 0 && !p.admitSlot(g) {
		return capacity.Full
	}
	if !g.limited {
		return capacity.Taken
	}
	v := p.admitRate(g, belongs)
	if v != capacity.Taken && g.slots > 0 && !p.request.trace.dry() {
		g.live.gauge.Release()
	}
	return v
}

func (p *picking) admitSlot(g *pool) bool {
	keys := &g.live.keys
	if p.request.Keyed && keys.turnedAway.Load() != 0 {
		if !keys.reopens(g.live.gauge.Active(), g.slots) {
			p.request.trace.because(DroppedKeyTurnedAway)
			return false
		}
		if !p.request.trace.dry() {
			keys.turnedAway.Store(0)
		}
	}
	if p.request.trace.dry() {
		return g.live.gauge.Active() < g.slots
	}
	if g.live.gauge.Acquire(g.slots) {
		return true
	}
	keys.full()
	return false
}

// spareRoom is the part of a group's rate that keys of other groups may fill: what
// is above is kept for the ups and downs of its own.
const spareRoom = 0.95

func (p *picking) admitRate(g *pool, belongs bool) capacity.Verdict {
	m, limit := &g.live.meter, &g.limit
	if p.request.Keyed {
		if !belongs {
			limit = &g.spare
		} else if !p.admitKey(g) {
			p.turnAway(m, DroppedKeyTurnedAway)
			return capacity.Full
		}
	}
	if p.now != 0 || m.Stale(&g.limit) {
		m.Advance(p.clock(), &g.limit)
	}
	v := p.takeRate(m, limit)
	if v == capacity.Full {
		m.Advance(p.clock(), &g.limit) // before anybody is refused, look at the clock
		v = p.takeRate(m, limit)
	}
	switch {
	case v != capacity.Taken && belongs:
		p.turnAway(m, turnedAway[v])
	case v != capacity.Taken:
		p.request.trace.because(turnedAway[v])
	}
	return v
}

func (p *picking) takeRate(m *capacity.Meter, limit *capacity.Limit) capacity.Verdict {
	spread := !p.request.Keyed && !p.insists // of keys the gate turns away as many as are too many
	if p.request.trace.dry() {
		return m.Would(limit, spread)
	}
	return m.Take(limit, spread)
}

// turnedAway says why.
var turnedAway = [...]string{capacity.Full: DroppedGroupFull, capacity.Crowded: DroppedGroupCrowded}

// turnAway counts a pick that belongs to a group and has to go elsewhere.
func (p *picking) turnAway(m *capacity.Meter, why string) {
	p.request.trace.because(why)
	if !p.request.trace.dry() && !p.insists { // then it was counted before
		m.Refuse()
	}
}

// admitKey asks the gate whether the key is one of those that stay.
func (p *picking) admitKey(g *pool) bool {
	m, keys, looks := &g.live.meter, &g.live.keys, p.request.trace.dry()
	away := keys.turnedAway.Load()
	if m.Stale(&g.limit) || p.now != 0 {
		m.Advance(p.clock(), &g.limit)
		if keys.due(p.clock(), looks) {
			g.live.guests.Advance(p.clock(), &g.limit)
			away = keys.judge(m.Demand()-g.live.guests.Rate(), g.rate)
			if !looks {
				keys.turnedAway.Store(away)
			}
		}
	}
	return mix(p.request.Key^gateSalt) >= away
}

// force takes a place whether there is one or not.
func (g *pool) force(t *trace) {
	if t.dry() {
		return
	}
	if g.slots > 0 {
		g.live.gauge.Acquire(0)
	}
	if g.limited {
		g.live.meter.Force()
	}
}

// welcome counts a key in a group that it does not belong to, lest it keep those out
// that do.
func (p *picking) welcome(g *pool) {
	if p.request.Keyed && g.limited && !p.request.trace.dry() {
		g.live.guests.Advance(p.clock(), &g.limit)
		g.live.guests.Force()
	}
}

// usage is what is used of the group's capacity, in the unit of that, where it is
// limited.
func (g *pool) usage(now int64) float64 {
	if g.slots > 0 && !g.byReports {
		return float64(g.live.gauge.Active())
	}
	g.live.meter.Advance(now, &g.limit)
	return g.live.meter.Rate()
}
