package health

import (
	"context"
	"math/rand/v2"
	"time"
)

// Event reports one check of one endpoint and what it came to.
type Event struct {
	Result  Result    // of this check
	Status  Status    // after it
	Changed bool      // whether this check changed Status
	Reason  string    // of the last failure, see [Machine.Reason]
	Streak  int       // checks in a row with the same end: positive for successes, negative for failures
	At      time.Time // when the check ended
	Next    time.Time // when the next one starts

	// Restored says that it was no check of this process that has found Status, see [Probe.Restore]. Result is that of
	// the last one, if there was any.
	Restored bool
}

// Watch checks the endpoint at addr until ctx ends, and calls report after every check. It runs in the caller's
// goroutine, calls report on it, and returns ctx's error once everything it started is gone; or, at once, what
// [Check.Validate] says against c.
//
// The first check starts at a random point within the first interval, or within the first second if that is sooner,
// so that neither a thousand watches check at once nor readiness waits for an interval. Checks follow from start to
// start at the interval give or take a tenth, and never overlap. A check that the end of ctx cut short is not
// reported: it says nothing about the endpoint.
func Watch(ctx context.Context, c Check, addr string, report func(Event)) error {
	checker, err := NewChecker(c)
	if err != nil {
		return err
	}
	return WatchWith(ctx, c, checker, addr, report)
}

// WatchWith is [Watch] with a Checker of the caller's own; c gives the interval, the timeout (the checker's context
// ends with it) and the thresholds, and must be valid.
func WatchWith(ctx context.Context, c Check, checker Checker, addr string, report func(Event)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	machine := NewMachine(c)

	timer := time.NewTimer(firstWait(c))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		next := time.Now().Add(jitter(c.CheckInterval))
		result := checkOnce(ctx, c, checker, addr)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := time.Now()
		changed := machine.ApplyAt(result, now)
		report(Event{
			Result:  result,
			Status:  machine.Status(),
			Changed: changed,
			Reason:  machine.Reason(),
			Streak:  machine.Streak(),
			At:      now,
			Next:    next,
		})
		timer.Reset(time.Until(next))
	}
}

// checkOnce gives the check its deadline, also for checkers that keep no time of their own.
func checkOnce(ctx context.Context, c Check, checker Checker, addr string) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return checker.Check(ctx, addr)
}

// jitter returns interval give or take a tenth, so that proxies started together do not check in step for ever.
func jitter(interval time.Duration) time.Duration {
	tenth := interval / 10
	return interval - tenth + rand.N(2*tenth+1)
}
