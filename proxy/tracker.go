package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// TrackerOptions is what NewTracker takes.
type TrackerOptions struct {
	// Service is the name, for the log.
	Service  string
	Balancer *lb.Balancer
	Tracking Tracking
	// Cutters are the engines that may have connections of the service. It is
	// called from Run.
	Cutters func() []Cutter
	// Idle is called, from Run, to close what idle connections to these endpoints
	// there are: they get nothing new, by the operator's word or because they are
	// gone. It is called again for some time, for what was under way. Default: nothing.
	Idle func([]Place)
	// Log gets a line for every endpoint whose connections are cut. Default: none.
	Log *slog.Logger
}

// A Tracker watches what befalls one service's endpoints, and has engines cut
// connections when [Tracking.Judge] says so. It knows endpoints that were removed
// for as long as they may have connections.
type Tracker struct {
	opt TrackerOptions

	mu       sync.Mutex
	ledger   ledger
	tracking Tracking
	retired  bool
	changed  chan struct{} // capacity 1: one of the two above
}

// NewTracker returns a tracker, which knows the endpoints that the balancer has
// now.
func NewTracker(o TrackerOptions) *Tracker {
	if o.Idle == nil {
		o.Idle = func([]Place) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tracker{opt: o, tracking: o.Tracking, changed: make(chan struct{}, 1)}
	t.ledger.note(o.Balancer.Snapshot(), false, time.Now())
	return t
}

// SetTracking replaces the rule. It holds for connections that there are, too, and
// for what befell their endpoints before.
func (t *Tracker) SetTracking(s Tracking) {
	t.mu.Lock()
	t.tracking = s
	t.mu.Unlock()
	t.poke()
}

// Retire says that the service is gone: all of its endpoints count as removed, and
// Run returns when that has come to its end.
func (t *Tracker) Retire() {
	t.mu.Lock()
	t.retired = true
	t.mu.Unlock()
	t.poke()
}

func (t *Tracker) poke() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends, or the service is retired and its endpoints are
// forgotten, and then returns nil. It sleeps while nothing changes.
func (t *Tracker) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s := t.opt.Balancer.Snapshot()
		next, over := t.look(s, time.Now())
		if over {
			return nil
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-s.Replaced():
		case <-t.changed:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look does what is due, and says when to look again at the latest.
func (t *Tracker) look(s *lb.Snapshot, now time.Time) (next time.Time, over bool) {
	t.mu.Lock()
	t.ledger.note(s, t.retired, now)
	sweeps, idle, next := t.ledger.due(&t.tracking, now)
	over = t.retired && len(t.ledger.accounts) == 0
	t.mu.Unlock()
	if len(idle) > 0 {
		t.opt.Idle(idle)
	}
	t.cut(sweeps)
	return next, over
}

func (t *Tracker) cut(sweeps []sweep) {
	if len(sweeps) == 0 {
		return
	}
	doomed := make(Doomed, len(sweeps))
	for _, s := range sweeps {
		doomed[s.Place] = s.cause
		if s.first {
			t.opt.Log.Info("connections cut", "service", t.opt.Service, "endpoint", s.id,
				"cause", s.cause.String(), "connections", s.Load.Active())
		}
	}
	for _, c := range t.opt.Cutters() {
		c.Cut(doomed)
	}
}
