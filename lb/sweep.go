package lb

import (
	"context"
	"log/slog"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// Sweep reads the counters and load reports, and publishes what follows from
// them: rates, targets made of reports, groups drained automatically, distances.
// Run does so every second. Who does not run the balancer, or has a clock of his
// own, may call it himself, about as often.
func (b *Balancer) Sweep() {
	defer b.gates.queue.admit()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.closed {
		return
	}
	b.state.letGo()
	now := b.flow.clock()
	warms, judged := b.state.warmUp(now), b.state.judge(now)
	b.state.observe(now)
	if b.state.sweep(now) || warms || judged {
		b.publish(b.inbox.takeAll())
	}
}

// sweep reports whether picks may have to change.
func (s *state) sweep(now int64) (changed bool) {
	if !s.opt.hasCapacity() && s.opt.LoadWeights == nil {
		return false
	}
	elapsed := time.Duration(now - s.swept)
	if s.swept > 0 && elapsed <= 0 {
		return false
	}
	s.swept = now
	if turn := s.flow.turn.Load(); turn != s.turn { // else nobody came, and nothing shows
		s.turn, s.keyed = turn, s.flow.keyed.Swap(false)
	}
	s.count(now, elapsed)
	changed = s.weighLoads(now, elapsed)
	if !s.opt.hasCapacity() {
		return changed
	}
	learned, moved, drained := s.learn(now, elapsed), s.measure(), s.autoDrain(now)
	return changed || learned || moved || drained
}

// autoDrain takes groups out that are too ill, and lets them back. It reports
// whether it did.
func (s *state) autoDrain(now int64) (changed bool) {
	if !s.opt.Service.AutoDrain {
		s.drainer = capacity.AutoDrain{}
		for _, g := range s.groups {
			changed = changed || g.drained
			g.drained = false
		}
		return changed
	}
	groups := s.capacityGroups(nil)
	healths := make([]capacity.GroupHealth, len(groups))
	for i, g := range groups {
		healths[i] = capacity.GroupHealth{Name: g.Name, Usable: g.Target > 0 || g.Unlimited, Healthy: g.Healthy, Members: g.Members}
	}
	drained, _ := s.drainer.Observe(s.flow.at(now), healths)
	for i := range groups {
		g := s.groups[groups[i].Name]
		if g.drained != drained[i] {
			logDrained(&s.opt, &groups[i], drained[i])
			g.drained, changed = drained[i], true
		}
	}
	return changed
}

func logDrained(o *Options, g *capacity.Group, drained bool) {
	level, text := slog.LevelInfo, "group is no longer drained"
	if drained {
		level, text = slog.LevelWarn, "group drained automatically"
	}
	o.Log.LogAttrs(context.Background(), level, text,
		slog.String("service", o.Name),
		slog.String("group", g.Name),
		slog.Int("healthy", g.Healthy),
		slog.Int("endpoints", g.Members))
}

// count takes each member's rate since the last sweep, and adds what it got to its
// group, where that has a capacity.
func (s *state) count(now int64, elapsed time.Duration) {
	got := make([]uint64, len(s.opt.Groups))
	for _, m := range s.members {
		started := m.endpoint.Load.Started()
		got[m.group] += started - m.counted
		m.rate = float64(started-m.counted) / elapsed.Seconds()
		m.counted = started
	}
	for i, n := range got {
		if g := s.groups[s.opt.Groups[i].Name]; g != nil {
			g.total += n
			g.recent.note(now, g.total)
		}
	}
}

// recent remembers how much a group got up to each of the last sweeps.
type recent struct {
	samples [11]sample // a ring
	n       int        // that were ever noted
}

type sample struct {
	at    int64
	total uint64
}

func (r *recent) note(at int64, total uint64) {
	r.samples[r.n%len(r.samples)] = sample{at, total}
	r.n++
}

// since returns the number and the rate per second over as many of the sweeps as
// there are, ten at most.
func (r *recent) since() (n uint64, rate float64) {
	if r.n < 2 {
		return 0, 0
	}
	last := r.samples[(r.n-1)%len(r.samples)]
	first := r.samples[max(0, r.n-len(r.samples))%len(r.samples)]
	n = last.total - first.total
	if last.at > first.at {
		rate = float64(n) / time.Duration(last.at-first.at).Seconds()
	}
	return n, rate
}

// last is the rate between the last two sweeps.
func (r *recent) last() float64 {
	if r.n < 2 {
		return 0
	}
	a, b := r.samples[(r.n-2)%len(r.samples)], r.samples[(r.n-1)%len(r.samples)]
	return float64(b.total-a.total) / max(time.Duration(b.at-a.at), 1).Seconds()
}

// measure works out distances from how long connects have taken: the mean over a
// zone's endpoints, unless it is about what it was. It reports whether one is
// another.
func (s *state) measure() (changed bool) {
	sums := make(map[capacity.Place][2]int64)
	for _, m := range s.members {
		if took := m.live.connect.Load(); took > 0 {
			o := &s.opt.Groups[m.group]
			p := capacity.Place{Region: o.Region, Zone: o.Zone}
			sums[p] = [2]int64{sums[p][0] + took, sums[p][1] + 1}
		}
	}
	for p, sum := range sums {
		mean, was := time.Duration(sum[0]/sum[1]), s.rtts[p]
		if was > 0 && mean > was*3/4 && mean < was*5/4 {
			continue // zones at about the same distance do not change places all the time
		}
		if s.rtts == nil {
			s.rtts = make(map[capacity.Place]time.Duration)
		}
		s.rtts[p], changed = mean, true
	}
	return changed
}

// SetHealth says how an endpoint is. It is for balancers whose health is not
// checked by Run: a check's next result takes its place.
func (b *Balancer) SetHealth(id string, to health.Status, reason string) error {
	return b.write(func(s *state) (bool, error) {
		m := s.find(id)
		if m == nil {
			return false, s.noEndpoint(id)
		}
		m.health, m.checked, m.reason = to, true, ""
		if to != health.Healthy {
			m.reason = reason
		} else {
			now := s.flow.clock()
			s.passed(m, s.flow.at(now), now)
		}
		return false, nil
	})
}
