package proxy

import (
	"time"

	"github.com/spillway-lb/spillway/balance"
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

	out   bool   // it gets nothing new by somebody's word, or is gone
	quiet rounds // of closing idle connections since then

	// What its plight came to.
	cause CutCause
	at    time.Time
	cut   rounds // since then
	told  bool   // the log has it
}

// takeOut notes whether the endpoint is out.
func (a *account) takeOut(out bool, now time.Time) {
	switch {
	case !out:
		a.quiet = rounds{}
	case !a.out:
		a.quiet.begin(now)
	}
	a.out = out
}

// A sweep is what is to be done about one endpoint.
type sweep struct {
	Place
	id    string
	cause CutCause
	first bool // of this plight
}

// note takes down what s says. retired says that the service is gone, and with it
// all of its endpoints.
func (g *ledger) note(s *lb.Snapshot, retired bool, now time.Time) {
	if g.accounts == nil {
		g.accounts = make(map[Place]*account, len(s.Candidates))
	}
	g.relief = false
	present := make(map[Place]bool, len(s.Candidates))
	loads := make(map[*balance.Load]bool, len(s.Candidates)) // one may be there at another address
	if !retired {
		for i, c := range s.Candidates {
			at := PlaceOf(c.Endpoint)
			present[at], loads[at.Load] = true, true
			g.see(at, c.ID, s.State(i), c.Share > 0, now)
		}
	}
	for at, a := range g.accounts {
		if !present[at] {
			a.plight.Removed = since(a.plight.Removed, true, now)
			a.takeOut(!loads[at.Load], now)
		}
	}
}

// see takes down one endpoint's state.
func (g *ledger) see(at Place, id string, s lb.State, picked bool, now time.Time) {
	a := g.accounts[at]
	if a == nil {
		a = &account{id: id}
		g.accounts[at] = a
	}
	g.relief = g.relief || picked && !s.Unhealthy
	p := &a.plight
	cutNow := p.CutNow
	if s.Admin == lb.Ready {
		cutNow = time.Time{}
	}
	*p = Plight{
		Group: s.Group,
		// In a panic it is picked all the same, and nobody is diverted.
		Unhealthy: since(p.Unhealthy, s.Unhealthy && !picked, now),
		Down:      since(p.Down, s.Admin == lb.Down, now),
		Drained:   since(p.Drained, s.Admin == lb.Drain, now),
		// One that has stood by from the beginning is thought to as well: it has no
		// connections.
		FailedOver: since(p.FailedOver, s.Standing == lb.StandsBy, now),
		CutNow:     cutNow,
	}
	a.takeOut(s.Admin != lb.Ready || s.Standing == lb.GroupDrained, now)
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

// due returns the sweeps that are to be made now, those to which idle connections
// are to be closed, and when to ask again at the latest; the zero time is never.
func (g *ledger) due(t *Tracking, now time.Time) (sweeps []sweep, idle []Place, next time.Time) {
	soonest := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for at, a := range g.accounts {
		cause, by := t.Judge(a.plight, g.relief)
		if cause != a.cause || !by.Equal(a.at) {
			a.cause, a.at = cause, by
			a.cut.begin(by)
			a.told = false
		}
		quiet := a.quiet.due(now)
		if cause != NotCut && a.cut.due(now) {
			quiet = true // what a session has left idle meanwhile
			if at.Load.Active() > 0 {
				sweeps = append(sweeps, sweep{at, a.id, cause, !a.told})
				a.told = true
			}
		}
		if quiet {
			idle = append(idle, at)
		}
		soonest(a.quiet.next)
		if cause == NotCut {
			continue
		}
		soonest(a.cut.next)
		if a.cut.over() && a.quiet.over() && !a.plight.Removed.IsZero() {
			delete(g.accounts, at)
		}
	}
	return sweeps, idle, next
}
