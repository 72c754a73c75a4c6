//go:build linux

package chaos_test

import (
	"slices"
	"sync"
	"time"
)

// What befalls endpoints. The first ones are faults, which the proxy has to notice.
const (
	killed  = "killed"
	frozen  = "frozen"
	cut     = "cut off"
	slow    = "slow"
	wrong   = "wrong"
	flaps   = "flapping"
	removed = "removed"
	drained = "drained"
)

var faults = []string{killed, frozen, cut, slow, wrong, flaps}

// An episode is what befell one endpoint for a time.
type episode struct {
	host, what string
	from, to   time.Time // zero to: it lasts
}

// A chronicle knows what befell whom. Everybody may read it at any time.
type chronicle struct {
	mu       sync.Mutex
	episodes []episode
	upgrades []time.Time
	done     map[string]int // by what was done
}

// begin notes an episode before it begins, and returns what ends it.
func (c *chronicle) begin(host, what string) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(what)
	i := len(c.episodes)
	c.episodes = append(c.episodes, episode{host: host, what: what, from: time.Now()})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.episodes[i].to = time.Now()
	}
}

func (c *chronicle) upgraded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("upgrades")
	c.upgrades = append(c.upgrades, time.Now())
}

func (c *chronicle) did(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(what)
}

func (c *chronicle) note(what string) {
	if c.done == nil {
		c.done = map[string]int{}
	}
	c.done[what]++
}

// sinceFault is how long before end the last fault began that what began at start
// may have met unnoticed, and whether there is one.
func (c *chronicle) sinceFault(start, end time.Time) (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.episodes {
		if slices.Contains(faults, e.what) && e.from.Before(end) && start.Before(e.from.Add(detection)) {
			d, ok = end.Sub(e.from), true
		}
	}
	return d, ok
}

// befell names what befell an endpoint, of these, at any time from one to the
// other; "" if nothing did.
func (c *chronicle) befell(host string, from, to time.Time, kinds ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.episodes {
		if e.host == host && slices.Contains(kinds, e.what) && e.from.Before(to) && (e.to.IsZero() || e.to.After(from)) {
			return e.what
		}
	}
	return ""
}

// upgradedSince reports whether the proxy was replaced at that time or later.
func (c *chronicle) upgradedSince(from time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.upgrades, func(at time.Time) bool { return at.After(from) })
}
