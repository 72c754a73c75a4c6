package lb

import (
	"fmt"
	"maps"
	"math"
	"time"

	multierror "github.com/hashicorp/go-multierror"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// SlowStart lets an endpoint begin with a part of its weight, which grows until the
// window is over (spec.md §4.10). It is for every policy: those that hash give it a
// growing part of its own keys, and keep the others where they are.
//
// An endpoint warms up when
//
//	it joins                     without a health check at once, else from the first
//	                             check that finds it well
//	it is well again             after UNHEALTHY or TIMEOUT
//	it is no longer ejected
//
// and no longer when it is ill. Whom a balancer begins with is warm, unless he was
// found ill first: that a proxy has just started says nothing of its endpoints. That
// includes those that a group of its beginning had still to discover, and those who
// come while there is nobody. An ID at another address has joined; nothing else of a
// change of options makes anybody cold.
//
// Whoever of those in use has come furthest counts as warm, and the others in
// proportion: where all are cold, all are equal. With capacities that goes group by
// group, and an endpoint that warms up is no less capacity than any other.
type SlowStart struct {
	// Window is how long it takes, at least a second.
	Window time.Duration
	// Aggression bends the way: above 1 most of it comes early, below 1 late.
	// Default: 1, a straight line.
	Aggression float64
	// MinWeightPercent is the part to begin with, 1 to 100. Default: 10.
	MinWeightPercent int
}

// withDefaults returns a copy with defaults filled in, or nil, and appends what is
// wrong with s.
func (s *SlowStart) withDefaults(errs *multierror.Error) (*SlowStart, *multierror.Error) {
	if s == nil {
		return nil, errs
	}
	o := *s
	if o.Aggression == 0 {
		o.Aggression = 1
	}
	if o.MinWeightPercent == 0 {
		o.MinWeightPercent = 10
	}
	bad := func(format string, args ...any) {
		errs = multierror.Append(errs, fmt.Errorf("lb: slow start: "+format, args...))
	}
	if o.Window < time.Second {
		bad("window %v: want at least 1s", o.Window)
	}
	if !(o.Aggression > 0) || math.IsInf(o.Aggression, 1) {
		bad("aggression %v: want more than 0", o.Aggression)
	}
	if o.MinWeightPercent < 1 || o.MinWeightPercent > 100 {
		bad("minimum weight %d %%: want 1 to 100", o.MinWeightPercent)
	}
	return &o, errs
}

// equal reports whether both are the same. Either may be nil.
func (s *SlowStart) equal(o *SlowStart) bool {
	if s == nil || o == nil {
		return s == o
	}
	return *s == *o
}

// Part returns what part of its weight an endpoint has that has been warming up for
// so long: max(minimum, (age/window)^(1/aggression)), the age being a second at
// least. Fields that are 0 are not taken for their defaults.
func (s *SlowStart) Part(age time.Duration) float64 {
	if age >= s.Window {
		return 1
	}
	so := max(age, time.Second).Seconds() / s.Window.Seconds()
	return min(1, max(float64(s.MinWeightPercent)/100, math.Pow(so, 1/s.Aggression)))
}

// A warming is how far an endpoint has come. It follows its ID at one address.
type warming struct {
	settled bool  // it has been in use, or may be as it is
	out     bool  // it is ill
	since   int64 // when it began, by flow.clock, below 0 before the balancer; 0: it does not warm up
	age     time.Duration
	counts  uint32 // of balance.Fine, the most that it has had
}

// warmFrom says that m becomes eligible now, and is cold.
func (m *member) warmFrom(now int64) { m.warming = warming{settled: true, since: now} }

// isOut reports whether m must warm up when it no longer is.
func (m *member) isOut() bool { return classOf(m) == ill }

// noteCold finds out who begins to warm up now, and who has ceased to.
func (s *state) noteCold(now int64) {
	for _, m := range s.members {
		switch w := &m.warming; {
		case m.isOut():
			m.warming = warming{settled: true, out: true}
		case w.out, !w.settled && m.health == health.Healthy:
			m.warmFrom(now)
		}
	}
}

// settle makes those warm that the balancer begins with: who joins while it has
// nobody, and the first endpoints of groups that it has had from its beginning but
// that had still to be discovered.
func (s *state) settle(before []*member) {
	if s.edits == 0 {
		s.awaited = make(map[string]bool, len(s.opt.Groups))
		for _, g := range s.opt.Groups {
			s.awaited[g.Name] = true
		}
	}
	came := make(map[string]bool)
	for _, m := range s.members {
		name := s.opt.Groups[m.group].Name
		came[name] = true
		m.warming.settled = m.warming.settled || len(before) == 0 || s.awaited[name]
	}
	maps.DeleteFunc(s.awaited, func(name string, _ bool) bool { return came[name] })
}

// warmUp brings warm-ups up to date, and reports whether there are any: then shares
// may have changed.
func (s *state) warmUp(now int64) (some bool) {
	slow := s.opt.SlowStart
	if slow == nil {
		return false
	}
	for _, m := range s.members {
		if m.warming.since == 0 {
			continue
		}
		some = true
		if m.warming.age = time.Duration(now - m.warming.since); m.warming.age >= slow.Window {
			m.warming = warming{settled: true}
		}
	}
	return some
}

// warm counts weights finely, and says what part of them those at the positions in
// have: where pickers are of groups, compared with others of their group.
func (d *ruling) warm(members []*member, in []int, r rules) {
	for i, w := range d.weights {
		d.weights[i] = min(w, math.MaxUint32/balance.Fine) * balance.Fine
	}
	part := func(m *member) float64 {
		if m.warming.since == 0 {
			return 1
		}
		return r.slow.Part(m.warming.age)
	}
	furthest := map[int]float64{}
	for _, i := range in {
		g := r.pickerOf(members[i])
		furthest[g] = max(furthest[g], part(members[i]))
	}
	d.parts = make([]uint32, len(members))
	for _, i := range in {
		m := members[i]
		fine := math.Round(balance.Fine * part(m) / furthest[r.pickerOf(m)])
		// Whoever is further may leave, and then come back: what m has it keeps.
		d.parts[i] = max(1, uint32(fine), m.warming.counts)
	}
}

// share is what i gets of its weight.
func (d *ruling) share(i int) uint32 {
	if d.parts == nil {
		return d.weights[i]
	}
	return d.weights[i] / balance.Fine * d.parts[i]
}

// pickerOf numbers the picker that chooses m.
func (r *rules) pickerOf(m *member) int {
	if r.byGroup {
		return m.group
	}
	return 0
}

// note notes what i of a ruling has, if it warms up.
func (w *warming) note(parts []uint32, i int) {
	if parts != nil && w.since != 0 {
		w.counts = max(w.counts, parts[i])
	}
}

// warm is the part of its weight that candidate i gets, if it is in use.
func (s *Snapshot) warm(i int) float64 {
	c := &s.Candidates[i]
	if c.Share == 0 || c.Share >= c.Weight {
		return 1
	}
	return float64(c.Share) / float64(c.Weight)
}

// warmth is the part of its weight that counts.
func (m *member) warmth(slow *SlowStart) float64 {
	switch {
	case slow == nil || m.warming.since == 0:
		return 1
	case m.warming.counts > 0:
		return float64(m.warming.counts) / balance.Fine
	default: // it is not in use
		return slow.Part(m.warming.age)
	}
}
