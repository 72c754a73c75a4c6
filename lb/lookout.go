package lb

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// A lookout is what leases that end badly see of outlier detection. Leases that end
// well see nothing of it.
type lookout struct {
	b        *Balancer
	orders   atomic.Pointer[orders] // nil: there is no outlier detection
	seed     uint64
	draws    atomic.Uint64
	promptly atomic.Int64 // when a lease's end last published, by flow.clock
}

func newLookout(b *Balancer, seed uint64) *lookout {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &lookout{b: b, seed: seed}
}

// orders are the parts of Options that a lookout knows.
type orders struct {
	health.Outlier
	service string
	log     *slog.Logger
}

// setLookout hands on the options' rules.
func (s *state) setLookout() {
	var all *orders
	if s.opt.Outlier != nil {
		all = &orders{*s.opt.Outlier, s.opt.Name, s.opt.Log}
	} else {
		s.looked = 0 // should it be on again, its first interval begins then
	}
	s.lookout.orders.Store(all)
	for _, m := range s.members {
		s.keepWatch(m)
	}
}

const (
	// Up to fewMembers a lease's end publishes what follows itself: that is quickly
	// done. From manyMembers on it leaves that to Run, for it may be a large table.
	fewMembers, manyMembers = 64, 1000

	notEnforced = "it is not enforced"
)

// failed is called by every lease of an endpoint that ends with a failure. Of those
// that fail at the same moment each sees another streak, so that one finds it out.
func (l *lookout) failed(id string, live *endpointLive, load *balance.Load, s balance.Streaks) {
	o := l.orders.Load()
	if o == nil || live.ejected.Load() {
		return // what it still has under way does not make it worse
	}
	if s.Gateways == o.ConsecutiveGatewayFailure {
		l.found(&o.Outlier, id, live, load, health.ConsecutiveGatewayFailure)
	}
	if s.Errors == o.ConsecutiveErrors {
		l.found(&o.Outlier, id, live, load, health.ConsecutiveErrors)
	}
}

// found is told of an outlier. If that is not enforced its streak begins anew.
func (l *lookout) found(rules *health.Outlier, id string, live *endpointLive, load *balance.Load, why health.OutlierReason) {
	if !l.enforces(rules, why) {
		load.Restart(streakOf(why))
		l.logSpared(id, live, why, notEnforced, l.b.flow.clock())
		return
	}
	change := func(s *state) (bool, error) {
		m := s.find(id)
		if m != nil && m.live == live && s.opt.Outlier != nil && m.offends(s.opt.Outlier, why) { // else it is another by now, or was quick to recover
			s.tryEject(m, why, s.flow.clock())
		}
		return false, nil
	}
	if l.isPrompt() {
		_ = l.b.write(change)
	} else {
		l.b.atLeisure(change)
	}
}

// isPrompt reports whether who has found an outlier publishes that at once. While Run
// is there, that is so of few endpoints, and else four times a second: where a hundred
// die together, their leases do not each wait for a new table.
func (l *lookout) isPrompt() bool {
	if !l.b.running.Load() {
		return true
	}
	switch n := len(l.b.snapshot.Load().Candidates); {
	case n <= fewMembers:
		return true
	case n >= manyMembers:
		return false
	}
	now, last := l.b.flow.clock(), l.promptly.Load()
	return (last == 0 || now-last >= int64(leisurely)) && l.promptly.CompareAndSwap(last, now)
}

// enforces draws. With a seed of its own a balancer draws the same in each run.
func (l *lookout) enforces(rules *health.Outlier, why health.OutlierReason) bool {
	return rules.Enforces(why, mix(l.seed+l.draws.Add(1)))
}

func streakOf(why health.OutlierReason) balance.Fault {
	if why == health.ConsecutiveErrors {
		return balance.ResponseError
	}
	return balance.GatewayError
}

// atLeisure makes a change that nobody waits for: Run does, within a quarter of a
// second.
func (b *Balancer) atLeisure(apply func(*state) (bool, error)) {
	b.inbox.put(&change{apply: apply})
	signal(b.leisure)
}

// passed notes that a check has passed, which ended then and took so long. Hundreds may
// be taken back one by one: it is published with whatever else checks find.
func (w *watch) passed(at time.Time, took time.Duration) {
	b := w.b
	if l := b.snapshot.Load().live(w.id); l == nil || !l.ejected.Load() {
		return
	}
	// A time of day may have been set since the balancer began to count.
	began := b.flow.at(b.flow.clock()).Add(-time.Since(at) - took)
	b.inbox.put(&change{apply: func(s *state) (bool, error) {
		if m := s.watched(w); m != nil {
			s.passed(m, began, s.flow.clock())
		}
		return false, nil
	}})
	signal(b.flips)
}

func logEjected(o *Options, m *member) {
	_, _, last := m.endpoint.Load.Faults()
	o.Log.LogAttrs(context.Background(), slog.LevelWarn, "endpoint ejected",
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("reason", m.suspect.Reason.String()),
		slog.String("last_failure", last),
		slog.Duration("for", m.suspect.Until.Sub(m.suspect.Since)),
		slog.Uint64("times", m.suspect.Times))
}

func logReturned(o *Options, m *member, because string) {
	o.Log.LogAttrs(context.Background(), slog.LevelInfo, "endpoint is no longer ejected",
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("reason", because))
}

// logSpared says that an outlier is not ejected, once in an interval for each rule.
func (l *lookout) logSpared(id string, live *endpointLive, why health.OutlierReason, because string, now int64) {
	o, last := l.orders.Load(), live.spared[why].Load()
	if o == nil || last != 0 && now-last < int64(o.Interval) || !live.spared[why].CompareAndSwap(last, now) {
		return
	}
	o.log.LogAttrs(context.Background(), slog.LevelWarn, "outlier is not ejected",
		slog.String("service", o.service),
		slog.String("endpoint", id),
		slog.String("reason", why.String()),
		slog.String("because", because))
}
