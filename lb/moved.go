package lb

import (
	"cmp"
	"math"
	"slices"

	"github.com/spillway-lb/spillway/balance"
)

// This file answers what belongs to whom without picking: for those who compare two
// files. Where nobody is full a key's endpoint is in the tables. With capacities there
// are three, one after the other, and each is asked with a hash of its own, so that
// what one says of a key tells nothing of what the next will:
//
//	key ─► tier in which it begins ─► group of the tier ─► endpoint of the group
//
// So the part of the keys that moves is a sum over all pairs of an old group and a new
// one: the part of the keys that have this pair of groups, times the part that moves
// between the tables of these two.

// Owner returns the endpoint that a key belongs to, where Pick finds it as long as
// nobody is full; nil where there is nobody or the policy does not go by keys.
func (s *Snapshot) Owner(key uint64) *balance.Endpoint {
	c := &s.chooser
	if s.plan != nil {
		if s.plan.first < 0 {
			return nil
		}
		p := picking{plan: s.plan, request: &Request{Key: key, Keyed: true}}
		group := p.own(&s.plan.tiers[p.entry(0)], 0)
		if group < 0 {
			return nil
		}
		c = &s.plan.groups[group].chooser
	}
	if !balance.MapsKeys(c.picker) {
		return nil
	}
	return c.picker.Pick(balance.Request{Key: key, Keyed: true})
}

// KeyParts returns which part of all keys belongs to whom, by ID; nil where there is
// nobody or the policy does not go by keys.
func (s *Snapshot) KeyParts() (parts []balance.Part) {
	begin := uint64(0)
	for _, e := range s.entries() {
		for _, home := range e.homes {
			for _, p := range balance.Parts(home.picker) {
				p.Part *= home.part * asPart(e.end-begin)
				parts = append(parts, p)
			}
		}
		begin = e.end
	}
	slices.SortFunc(parts, func(a, b balance.Part) int { return cmp.Compare(a.Endpoint.ID, b.Endpoint.ID) })
	return parts
}

// Moved returns the part of all keys, from 0 to 1, that belong to another endpoint in
// next than in prev, while nobody is full. ok is false unless there is somebody in
// both, and both policies go by keys.
func Moved(prev, next *Snapshot) (moved float64, ok bool) {
	a, b := prev.entries(), next.entries()
	if len(a) == 0 || len(b) == 0 {
		return 0, false
	}
	begin := uint64(0)
	for i, j := 0, 0; i < len(a) && j < len(b); {
		end := min(a[i].end, b[j].end)
		m, mapped := movedBetween(&a[i], &b[j])
		if !mapped {
			return 0, false
		}
		moved += m * asPart(end-begin)
		begin = end
		if a[i].end == end {
			i++
		}
		if b[j].end == end {
			j++
		}
	}
	return min(moved, 1), true
}

// movedBetween is Moved for keys that begin in these two tiers.
func movedBetween(a, b *entry) (moved float64, ok bool) {
	for _, f := range flowsOfHomes(a, b) {
		m, ok := balance.Moved(f.from, f.to)
		if !ok {
			return 0, false
		}
		moved += f.part * m
	}
	return moved, true
}

// An entry is a tier in which keys begin: those whose hash is below end, and not below
// that of the entry before.
type entry struct {
	end   uint64         // all ones: to the end
	table balance.Picker // the tier's groups; nil if there is one home
	homes []home
}

// A home is what finds a key's endpoint, and how many of the tier's keys it has.
type home struct {
	picker balance.Picker
	part   float64
	group  int
}

// entries lists where keys begin.
func (s *Snapshot) entries() (all []entry) {
	switch {
	case s.plan == nil && s.picker != nil:
		return []entry{{end: math.MaxUint64, homes: []home{{picker: s.picker, part: 1}}}}
	case s.plan == nil || s.plan.first < 0:
		return nil
	case s.plan.entry == nil:
		return []entry{s.plan.entryAt(s.plan.first, math.MaxUint64)}
	}
	begin := uint64(0)
	for i, end := range s.plan.entry {
		if end > begin {
			all = append(all, s.plan.entryAt(i, end))
		}
		begin = end
	}
	return all
}

func (p *plan) entryAt(at int, end uint64) entry {
	t := &p.tiers[at]
	if len(t.groups) == 1 {
		g := t.groups[0]
		return entry{end: end, homes: []home{{p.groups[g].picker, 1, g}}}
	}
	e := entry{end: end, table: t.table}
	for _, q := range balance.Parts(t.table) {
		g := int(q.Endpoint.Max)
		e.homes = append(e.homes, home{p.groups[g].picker, q.Part, g})
	}
	return e
}

// A homeFlow is the part of the keys that have one home in a and one in b.
type homeFlow struct {
	from, to balance.Picker
	part     float64
}

func flowsOfHomes(a, b *entry) (flows []homeFlow) {
	if a.table != nil && b.table != nil {
		for _, f := range balance.Flows(a.table, b.table) {
			flows = append(flows, homeFlow{a.pickerOf(f.From), b.pickerOf(f.To), f.Part})
		}
		return flows
	}
	for _, x := range a.homes {
		for _, y := range b.homes {
			flows = append(flows, homeFlow{x.picker, y.picker, x.part * y.part})
		}
	}
	return flows
}

// pickerOf finds the home of one of the table's groups.
func (e *entry) pickerOf(group *balance.Endpoint) balance.Picker {
	i := slices.IndexFunc(e.homes, func(h home) bool { return h.group == int(group.Max) })
	return e.homes[i].picker
}
