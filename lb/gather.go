package lb

import "time"

// A gathering puts changes off until more have come, which are then published
// together. When a zone fails, thousands of endpoints do so one by one, as their
// checks end; to lay a table for each of them would keep the writer busy with
// states that nobody needs.
type gathering struct {
	due   <-chan time.Time // nil: there is nothing to publish
	until time.Time        // when it is due
	wait  time.Duration    // that a flip had last
	last  time.Time        // when due came last
}

// How long a change of health waits for others: at first a moment. While such
// changes go on it is twice that, then four times, so that a second of them makes
// six snapshots, not fifty.
const (
	leastWait = 20 * time.Millisecond
	mostWait  = 500 * time.Millisecond
)

// leisurely is how long a change that nobody waits for may take to have its
// effect. A hundred endpoints may each report another weight with every check,
// and each change of weights is a table to be laid.
const leisurely = 250 * time.Millisecond

// flip has a change of health published soon.
func (g *gathering) flip() {
	now := time.Now()
	if g.due == nil || g.until.Sub(now) > mostWait {
		if now.Sub(g.last) > 2*g.wait {
			g.wait = leastWait
		} else {
			g.wait = min(2*g.wait, mostWait)
		}
	}
	g.by(now, g.wait)
}

// leisure has a change published that nobody waits for.
func (g *gathering) leisure() { g.by(time.Now(), leisurely) }

// by has what there is published after wait, or sooner if it is already to be.
func (g *gathering) by(now time.Time, wait time.Duration) {
	if at := now.Add(wait); g.due == nil || at.Before(g.until) {
		g.due, g.until = time.After(wait), at
	}
}

// published notes that due has come.
func (g *gathering) published() { g.due, g.last = nil, time.Now() }

// signal wakes Run, if nobody has since it looked last. c has a capacity of 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
