package health

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A target is what a [Prober] checks: an address, by a check. Whoever watches it shares it.
type target struct {
	kind *kind
	addr string

	reporting sync.Mutex // held while an event is made and told, so that events come in order; before Prober.mu

	// What follows is guarded by Prober.mu.

	watchers []*Probe
	uses     int // watchers, and those that are about to be
	machine  Machine
	history  history
	latest   Result
	next     int64              // when the next check starts, by Prober.now
	place    int                // in the queue; -1: not there
	silent   bool               // its last check was a timeout
	restored bool               // see Probe.Restore
	cancel   context.CancelFunc // of the check that is under way
}

// A kind is what targets with the same check have in common.
type kind struct {
	check   Check // with defaults, without what does not matter to probing
	checker Checker
	uses    int // targets
}

// A targetKey tells targets apart.
type targetKey struct {
	kind *kind
	addr string
}

// A Probe is one watcher's hold on the checks of an endpoint. Its methods may be called from any goroutine.
type Probe struct {
	prober  *Prober
	target  *target
	report  func(Event)
	stopped bool // guarded by Prober.mu
}

// ProbeStatus is what is known of an endpoint at one moment.
type ProbeStatus struct {
	Status Status
	Reason string
	Streak int       // see [Machine.Streak]
	Checks uint64    // that have come to an end
	Since  time.Time // when Status changed last; zero: it never did
	Next   time.Time // when the next check starts; in the past while one is under way
	Flaps  int       // how often the endpoint's health has changed in the last ten minutes
}

// Status returns what is known now.
func (p *Probe) Status() ProbeStatus {
	p.prober.mu.Lock()
	defer p.prober.mu.Unlock()
	t := p.target
	s := ProbeStatus{
		Status: t.machine.Status(),
		Reason: t.machine.Reason(),
		Streak: t.machine.Streak(),
		Checks: t.history.checks,
		Next:   p.prober.clock(t.next),
		Flaps:  t.history.flapped(time.Now()),
	}
	if t.history.since != 0 {
		s.Since = time.Unix(0, t.history.since)
	}
	return s
}

// Last returns the last checks, five at most, the newest at the end.
func (p *Probe) Last() []Past {
	p.prober.mu.Lock()
	defer p.prober.mu.Unlock()
	return p.target.history.last()
}

// Stop ends the watching. The endpoint is not checked any more once nobody watches it. A report that is under way may
// still be going on when Stop returns; there is no other.
func (p *Probe) Stop() {
	p.prober.mu.Lock()
	defer p.prober.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	t := p.target
	t.watchers = slices.DeleteFunc(slices.Clone(t.watchers), func(w *Probe) bool { return w == p }) // who reports has the old one
	p.prober.release(t)
}
