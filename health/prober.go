package health

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Prober checks any number of endpoints. What several watch by the same [Check] at the same address is checked once
// for all of them. Checks are spread over time, and so many may be under way at once and no more; an endpoint that
// waits for its check costs a few hundred bytes and no goroutine.
//
// The zero value is ready for use: endpoints are added at any time, and checked while [Prober.Run] runs. Its methods
// may be called from any goroutine. It must not be copied.
type Prober struct {
	// MaxChecks is how many checks may be under way at once, and so how many goroutines and file descriptors there are.
	// Endpoints whose last check was a timeout get three quarters of that, so that many that are silent keep no check
	// of the others waiting. Beyond it checks come later than their interval says, those first that have waited
	// longest. Default: 4096. It must not change once there is an endpoint or Run
	// was called.
	MaxChecks int
	// Checker makes what checks endpoints. Default: NewChecker.
	Checker func(Check) (Checker, error)

	mu      sync.Mutex
	kinds   map[Check]*kind
	targets map[targetKey]*target
	ready   queue // of those that answered last time, or were never asked
	silent  queue // of those that did not
	running struct{ all, silent int }
	epoch   time.Time     // see now
	wakes   int64         // when Run looks again
	wake    chan struct{} // capacity 1: that is too late
	workers sync.WaitGroup
	resting chan *target // unbuffered: to workers that have nothing to do
	rests   int          // how many those are
	started bool
}

// defaultMaxChecks is far below what a process may open on the systems of today, and above what ten thousand endpoints
// need of which a third is silent.
const defaultMaxChecks = 4096

// pause is the least time between two looks at what is due: to wake up for each of ten thousand endpoints costs more
// than to check some a moment late.
const pause = 2 * time.Millisecond

// Add has the endpoint at addr checked until Stop, and calls report after every check, from a goroutine of its own, in
// order. What is known already it reports before it returns. report must not block: it keeps a check waiting, and must
// not call Add. The error is what [NewChecker] says against c.
func (p *Prober) Add(c Check, addr string, report func(Event)) (*Probe, error) {
	probe := &Probe{prober: p, report: report}
	p.mu.Lock()
	t, err := p.hold(c, addr)
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	probe.target = t

	t.reporting.Lock()
	defer t.reporting.Unlock()
	p.mu.Lock()
	t.watchers = append(slices.Clone(t.watchers), probe)
	ev, known := p.event(t, false), t.history.checks > 0 || t.restored
	p.mu.Unlock()
	if known {
		report(ev)
	}
	return probe, nil
}

// hold returns the target and notes one more use of it. Caller holds p.mu.
func (p *Prober) hold(c Check, addr string) (*target, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	c.LogResults = false // is for those who watch
	k := p.kinds[c]
	if k == nil {
		make := p.Checker
		if make == nil {
			make = NewChecker
		}
		checker, err := make(c)
		if err != nil {
			return nil, err
		}
		k = &kind{check: c, checker: checker}
	}
	key := targetKey{k, addr}
	if t := p.targets[key]; t != nil {
		t.uses++
		return t, nil
	}
	p.init()
	p.kinds[c] = k
	k.uses++
	t := &target{kind: k, addr: addr, uses: 1, machine: NewMachine(c)}
	t.next = p.now() + int64(firstWait(c))
	p.targets[key] = t
	p.enqueue(t)
	return t, nil
}

// now is the time by which checks are due, in nanoseconds. It is not that of the calendar: when somebody sets the
// machine's clock back by an hour, checks go on.
func (p *Prober) now() int64 { return int64(time.Since(p.epoch)) }

// clock is the time of the calendar at which it is next by now.
func (p *Prober) clock(next int64) time.Time { return time.Now().Add(time.Duration(next - p.now())) }

func (p *Prober) init() {
	if p.epoch.IsZero() {
		p.epoch = time.Now()
	}
	if p.targets == nil {
		p.targets, p.kinds = make(map[targetKey]*target), make(map[Check]*kind)
	}
	if p.wake == nil {
		p.wake = make(chan struct{}, 1)
		p.resting = make(chan *target)
	}
	if p.MaxChecks <= 0 {
		p.MaxChecks = defaultMaxChecks
	}
}

// release notes one use less. Caller holds p.mu.
func (p *Prober) release(t *target) {
	if t.uses--; t.uses > 0 {
		return
	}
	delete(p.targets, targetKey{t.kind, t.addr})
	if t.kind.uses--; t.kind.uses == 0 {
		delete(p.kinds, t.kind.check)
	}
	if t.place >= 0 {
		p.queueOf(t).remove(t)
	}
	if t.cancel != nil {
		t.cancel()
	}
}

func (p *Prober) queueOf(t *target) *queue {
	if t.silent {
		return &p.silent
	}
	return &p.ready
}

// enqueue makes t wait for its time. Caller holds p.mu.
func (p *Prober) enqueue(t *target) {
	p.queueOf(t).add(t)
	if t.next < p.wakes {
		p.wakes = t.next
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// Run checks the endpoints until ctx ends, and returns its error when all that it started is gone. A Prober runs at
// most once.
func (p *Prober) Run(ctx context.Context) error {
	p.mu.Lock()
	p.init()
	twice := p.started
	p.started = true
	p.mu.Unlock()
	if twice {
		return errors.New("health: Run was called twice")
	}
	defer p.workers.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-p.wake:
		}
		timer.Reset(p.dispatch(ctx))
	}
}

// dispatch starts the checks that are due, as far as there is room, and says when to look again.
func (p *Prober) dispatch(ctx context.Context) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for {
		t := p.take(now)
		if t == nil {
			break
		}
		select {
		case p.resting <- t:
		default:
			p.workers.Go(func() { p.work(ctx, t) })
		}
	}
	// What is due and has no room is taken by the first worker that is done, and what comes after it is looked at again
	// soon.
	p.wakes = now + int64(time.Hour)
	for _, q := range []queue{p.ready, p.silent} {
		if len(q) > 0 {
			p.wakes = min(p.wakes, q[0].next)
		}
	}
	p.wakes = max(p.wakes, now+int64(pause))
	return time.Duration(p.wakes - now)
}

// take returns the next target to check, nil if there is none or no room. Caller holds p.mu.
func (p *Prober) take(now int64) *target {
	if p.running.all >= p.MaxChecks {
		return nil
	}
	t := p.ready.take(now)
	if t == nil && p.running.silent < max(1, p.MaxChecks*3/4) {
		t = p.silent.take(now)
	}
	if t == nil {
		return nil
	}
	p.running.all++
	if t.silent {
		p.running.silent++
	}
	return t
}

// rest is how long a worker waits for more. Connecting needs a stack that is larger than a goroutine begins with, and
// to grow it for each check costs a seventh of the check.
const rest = time.Second

// maxResting is how many may wait: what a burst has needed is not kept.
const maxResting = 256

// work checks t, then whatever has waited for room, and then what it is given while it rests.
func (p *Prober) work(ctx context.Context, t *target) {
	over := time.NewTimer(rest)
	defer over.Stop()
	for t != nil && ctx.Err() == nil {
		p.check(ctx, t)
		p.mu.Lock()
		t = p.take(p.now())
		stays := t == nil && p.rests < maxResting
		if stays {
			p.rests++
		}
		p.mu.Unlock()
		if !stays {
			continue
		}
		over.Reset(rest)
		select {
		case t = <-p.resting:
		case <-over.C:
		case <-ctx.Done():
		}
		p.mu.Lock()
		p.rests--
		p.mu.Unlock()
	}
}

// check makes one check of t and tells everybody.
func (p *Prober) check(ctx context.Context, t *target) {
	start := p.now()
	ctx, cancel := context.WithTimeout(ctx, t.kind.check.Timeout)
	defer cancel()
	p.mu.Lock()
	t.cancel = cancel
	gone := t.uses == 0
	p.mu.Unlock()
	var r Result
	if !gone {
		r = t.kind.checker.Check(ctx, t.addr)
	}

	t.reporting.Lock()
	defer t.reporting.Unlock()
	p.mu.Lock()
	t.cancel = nil
	p.running.all--
	if t.silent {
		p.running.silent--
	}
	if t.uses == 0 || errors.Is(ctx.Err(), context.Canceled) { // cut short: it says nothing about the endpoint
		p.mu.Unlock()
		return
	}
	changed := t.apply(r, start)
	p.enqueue(t)
	ev, watchers := p.event(t, changed), t.watchers
	p.mu.Unlock()
	for _, w := range watchers {
		w.report(ev)
	}
}

// apply takes in the result of a check that started at start, by Prober.now.
func (t *target) apply(r Result, start int64) (changed bool) {
	now, before, interval := time.Now(), t.machine.Status(), t.kind.check.CheckInterval
	changed = t.machine.ApplyAt(r, now)
	t.latest, t.silent = r, r.Timeout
	wait := jitter(interval)
	if t.history.checks == 0 {
		wait = secondWait(interval)
	}
	t.history.note(r, now, before, changed)
	t.next = start + int64(wait)
	return changed
}

// event is the last check of t as it is told. Caller holds p.mu, and there was one, or something was restored.
func (p *Prober) event(t *target, changed bool) Event {
	h := &t.history
	return Event{
		Result:  t.latest,
		Status:  t.machine.Status(),
		Changed: changed,
		Reason:  t.machine.Reason(),
		Streak:  t.machine.Streak(),
		At:      time.Unix(0, h.ring[(h.checks-min(h.checks, 1))%kept].at),
		Next:    p.clock(t.next),

		Restored: h.checks == 0,
	}
}

// firstWait is how long the first check waits, so that neither a thousand endpoints are checked at once nor readiness
// waits for an interval.
func firstWait(c Check) time.Duration { return rand.N(min(c.CheckInterval, time.Second)) }

// secondWait is how long the second check waits. First checks come within a second of each other; after this one they
// are spread over the whole interval.
func secondWait(interval time.Duration) time.Duration {
	if interval <= time.Second {
		return jitter(interval)
	}
	return time.Second + rand.N(interval-time.Second)
}
