package lb

import (
	"cmp"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// This file is the writer's part of outlier detection: who is out, from when to when.
// The rules are health.Outlier's; what leases see of it is lookout's.

// tryEject ejects m, if there is room for that, and reports whether it did.
func (s *state) tryEject(m *member, why health.OutlierReason, now int64) bool {
	if refused := s.opt.Outlier.Permits(s.pool(m)); refused != "" {
		m.spared = spared{why, refused, now}
		s.lookout.logSpared(m.endpoint.ID, m.live, why, refused, now)
		return false
	}
	m.suspect.Eject(s.opt.Outlier, why, s.flow.at(now))
	m.live.ejected.Store(true)
	m.endpoint.Load.Forget() // what it is judged by next begins here
	logEjected(&s.opt, m)
	return true
}

// takeBack ends m's ejection.
func (s *state) takeBack(m *member, because string, now int64) {
	m.suspect.Return(s.flow.at(now), m.tally())
	m.endpoint.Load.Forget()
	m.live.ejected.Store(false)
	logReturned(&s.opt, m, because)
}

// pool counts those among whom m, which may be nil, is to be ejected: all that could
// be in use but for their health. Where the policy is exact nobody could serve in
// another's place, so that nobody is ejected.
func (s *state) pool(m *member) (p health.Pool) {
	for _, o := range s.members {
		if !s.isAvailable(o) {
			continue
		}
		p.Endpoints++
		switch {
		case o.suspect.Ejected:
			p.Ejected++
		case o != m && classOf(o) != ill && !s.exact:
			p.Others++
		}
	}
	return p
}

// isAvailable reports whether m could be in use but for its health.
func (s *state) isAvailable(m *member) bool {
	return m.admin == Ready && !m.idle && m.endpoint.Weight > 0 && m.standing != NotInSubset && s.opt.inScope(m.group)
}

// inScope reports whether traffic may ever go to a group, as far as regions go.
func (o *Options) inScope(group int) bool {
	return o.Service.Isolation != capacity.Strict || o.Groups[group].Region == o.Here.Region || !o.hasCapacity()
}

// pardon takes back whom the rules do not permit to be out any more: since endpoints
// have gone, or others have fallen ill. Those come first whose time is over first.
func (s *state) pardon(now int64) {
	var out []*member
	for _, m := range s.members {
		if m.suspect.Ejected {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return
	}
	if s.opt.Outlier == nil {
		for _, m := range out {
			s.takeBack(m, "outlier detection is off", now)
		}
		return
	}
	p := s.pool(nil)
	excess, because := s.opt.Outlier.Excess(p), "max_ejection_percent"
	if p.Others == 0 {
		because = "nobody else could serve"
	}
	slices.SortStableFunc(out, func(a, b *member) int { return cmp.Compare(a.suspect.Until.UnixNano(), b.suspect.Until.UnixNano()) })
	for _, m := range out {
		if excess > 0 && s.isAvailable(m) {
			s.takeBack(m, because, now)
			excess--
		}
	}
}

// passed notes that a health check of m has passed that began then.
func (s *state) passed(m *member, began time.Time, now int64) {
	if m.suspect.Ejected && s.opt.Outlier != nil && !s.opt.Outlier.OutlastChecks && !began.Before(m.suspect.Since) {
		s.takeBack(m, "a health check has passed", now)
	}
}

// judge is outlier detection's part of a sweep: it looks at rates when an interval is
// over, at those again that there was no room for, and at whose time is over. It
// reports whether anybody has left or is back.
//
// The order matters: whom this very look ejects has not stayed, so that the next
// ejection is longer, and nor has who is only now let back in.
func (s *state) judge(now int64) (changed bool) {
	rules := s.opt.Outlier
	if rules == nil {
		return false
	}
	at := s.flow.at(now)
	for _, m := range s.members {
		for _, why := range streakRules {
			switch {
			case !m.offends(rules, why):
			case !s.lookout.enforces(rules, why):
				m.endpoint.Load.Restart(streakOf(why))
			case s.tryEject(m, why, now):
				changed = true
			}
		}
	}
	if then := s.looked; then == 0 || now-then >= int64(rules.Interval) {
		s.looked = now
		rates := s.rates()
		if then != 0 && s.findOutliers(rates, now) {
			changed = true
		}
		for _, m := range s.members {
			m.suspect.Decay(s.flow.at(then))
		}
	}
	for _, m := range s.members {
		switch {
		case m.suspect.IsOver(at):
			s.takeBack(m, "time is over", now)
			changed = true
		case s.exact && m.suspect.Ejected: // since before the policy was
			s.takeBack(m, "nobody else could serve", now)
			changed = true
		}
	}
	return changed
}

// rates ends an interval, and returns what came of each member's requests in it. An
// ejected one's count for nothing.
func (s *state) rates() []health.Rate {
	out := make([]health.Rate, len(s.members))
	for i, m := range s.members {
		r := m.suspect.Look(m.tally())
		if !m.suspect.Ejected {
			out[i] = r
		}
	}
	return out
}

// findOutliers ejects those whose rates are out of line.
func (s *state) findOutliers(rates []health.Rate, now int64) (changed bool) {
	for _, f := range s.opt.Outlier.Find(rates) {
		m := s.members[f.Endpoint]
		switch {
		case m.suspect.Ejected: // another rule was first
		case !s.lookout.enforces(s.opt.Outlier, f.Reason):
			s.lookout.logSpared(m.endpoint.ID, m.live, f.Reason, notEnforced, now)
		case s.tryEject(m, f.Reason, now):
			changed = true
		}
	}
	return changed
}

// streakRules are those of failures in a row.
var streakRules = [...]health.OutlierReason{health.ConsecutiveGatewayFailure, health.ConsecutiveErrors}

// offends reports whether m breaks one of the rules of failures in a row, and is not
// ejected for it.
func (m *member) offends(rules *health.Outlier, why health.OutlierReason) bool {
	s := m.endpoint.Load.Streaks()
	return !m.suspect.Ejected && (why == health.ConsecutiveErrors && s.Errors >= rules.ConsecutiveErrors ||
		why == health.ConsecutiveGatewayFailure && s.Gateways >= rules.ConsecutiveGatewayFailure)
}

func (m *member) tally() health.Tally {
	l := m.endpoint.Load
	return health.Tally{Failed: l.Failed(), Neutral: l.Neutrals(), Finished: l.Finished()}
}

// keepWatch has the member's leases report to the lookout, or not.
func (s *state) keepWatch(m *member) {
	if m.live.told == nil {
		id, live, load := m.endpoint.ID, m.live, m.endpoint.Load
		m.live.told = func(k balance.Streaks) { s.lookout.failed(id, live, load, k) }
		load.Forget() // where it has another address, what was does not count
		load.Connected()
		m.suspect.Look(m.tally())
	}
	if s.opt.Outlier == nil {
		m.endpoint.Load.Notify(nil)
	} else {
		m.endpoint.Load.Notify(&m.live.told)
	}
}
