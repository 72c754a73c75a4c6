package lb

// A group whose rate is nearly used refuses as many as are too many before it is full,
// lest those that it takes come in gusts (capacity.Crowded). That is a courtesy to its
// endpoints: reason enough to try the next tier, but neither to go beyond, which is
// for when those before are full, nor to overfill anybody.

// courtesies are the groups that have refused a pick out of courtesy, in the order in
// which they were asked. There are not many: what one more had room for would be
// less than a tenth of it.
type courtesies struct {
	n   int
	met [8]courtesy
}

type courtesy struct {
	group   int32
	belongs bool // as for pickIn
}

func (c *courtesies) note(group int, belongs bool) {
	if c.n < len(c.met) {
		c.met[c.n] = courtesy{int32(group), belongs}
		c.n++
	}
}

// insist takes a lease in a group that has refused out of courtesy, if it has room.
func (p *picking) insist() (int, Lease, bool) {
	met := p.courtesies.met[:p.courtesies.n]
	p.courtesies.n, p.insists = 0, true
	for _, c := range met {
		group := int(c.group)
		p.request.trace.reconsider(group)
		if l, ok := p.pickIn(group, c.belongs); ok {
			if c.belongs && !p.request.trace.dry() {
				p.plan.groups[group].live.meter.Unrefuse()
			}
			return group, l, true
		}
	}
	p.insists = false
	return -1, Lease{}, false
}
