package proxy

import (
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// A ledger knows what has befallen a service's endpoints, those included that are
// gone, and since when. It has no clock: every now is an argument.
type ledger struct {
	accounts map[Place]*account
	relief   bool // somebody well may be picked
}

// An account is one endpoint's.
type account struct {
	id     string
	plight Plight

	// What its plight came to, and where its sweeps are.
	cause CutCause
	at    time.Time
	look  time.Time     // the next sweep; zero: there are no more
	wait  time.Duration // until the one after
}

// A connection is not to be found while its endpoint is being picked and dialed,
// so an endpoint is swept more than once: after againFirst, and then after twice
// as long each time, up to againLast.
const (
	againFirst = 50 * time.Millisecond
	againLast  = time.Minute
)

// A sweep is what is to be done about one endpoint.
type sweep struct {
	Place
	id    string
	cause CutCause
	first bool // of this plight
}

// note takes down what s says. retired says that the service is gone, and with it
// all of its endpoints. It returns those that get nothing new from now on.
func (g *ledger) note(s *lb.Snapshot, retired bool, now time.Time) (idle []Place) {
	if g.accounts == nil {
		g.accounts = make(map[Place]*account, len(s.Candidates))
	}
	g.relief = false
	present := make(map[Place]bool, len(s.Candidates))
	if !retired {
		for i, c := range s.Candidates {
			at := PlaceOf(c.Endpoint)
			present[at] = true
			if g.see(at, c.ID, s.State(i), c.Share > 0, now) {
				idle = append(idle, at)
			}
		}
	}
	for at, a := range g.accounts {
		if !present[at] {
			a.plight.Removed = since(a.plight.Removed, true, now)
		}
	}
	return idle
}

// see takes down one endpoint's state. It reports whether the operator has just
// taken it out.
func (g *ledger) see(at Place, id string, s lb.State, picked bool, now time.Time) (out bool) {
	a := g.accounts[at]
	if a == nil {
		a = &account{id: id}
		g.accounts[at] = a
	}
	g.relief = g.relief || picked && !s.Unhealthy
	p := &a.plight
	was := p.Drained.IsZero() && p.Down.IsZero()
	*p = Plight{
		Group: s.Group,
		// In a panic it is picked all the same, and nobody is diverted.
		Unhealthy: since(p.Unhealthy, s.Unhealthy && !picked, now),
		Down:      since(p.Down, s.Admin == lb.Down, now),
		Drained:   since(p.Drained, s.Admin == lb.Drain, now),
		// One that has stood by from the beginning is thought to as well: it has no
		// connections.
		FailedOver: since(p.FailedOver, s.Standing == lb.StandsBy, now),
	}
	return was && s.Admin != lb.Ready
}

// since is since when something is so that was so since then.
func since(then time.Time, is bool, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case then.IsZero():
		return now
	}
	return then
}

// due returns the sweeps that are to be made now, and when to ask again at the
// latest; the zero time is never.
func (g *ledger) due(t *Tracking, now time.Time) (sweeps []sweep, next time.Time) {
	for at, a := range g.accounts {
		cause, by := t.Judge(a.plight, g.relief)
		if cause != a.cause || !by.Equal(a.at) {
			a.cause, a.at, a.look, a.wait = cause, by, by, againFirst
		}
		if cause == NotCut {
			continue
		}
		if !a.look.IsZero() && !a.look.After(now) {
			if at.Load.Active() > 0 {
				sweeps = append(sweeps, sweep{at, a.id, cause, a.wait == againFirst})
			}
			a.again(now)
		}
		switch {
		case a.look.IsZero() && !a.plight.Removed.IsZero():
			delete(g.accounts, at)
		case !a.look.IsZero() && (next.IsZero() || a.look.Before(next)):
			next = a.look
		}
	}
	return sweeps, next
}

// again sets the time of the sweep after the one now.
func (a *account) again(now time.Time) {
	if a.wait > againLast {
		a.look = time.Time{}
		return
	}
	a.look = now.Add(a.wait)
	a.wait *= 2
}
