package proxy

import (
	"slices"
	"strings"
	"time"
)

// A Fate says what is to become of the connections to an endpoint that something has
// befallen.
type Fate struct {
	Place
	ID     string
	Plight Plight
	// Cause is why they are to be cut, and By when; with NotCut they end by
	// themselves.
	Cause CutCause
	By    time.Time
}

// Fates lists the endpoints, by ID, that something has befallen and that still have
// something under way. One that is used at another address is there with its old one;
// what of its leases are held there a [Census] tells.
func (t *Tracker) Fates() []Fate {
	now := time.Now()
	s := t.opt.Balancer.Snapshot()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.note(s, t.retired, now) // Run may not have looked yet
	var all []Fate
	for at, a := range t.ledger.accounts {
		if a.plight == (Plight{Group: a.plight.Group}) || at.Load.Active() == 0 {
			continue
		}
		f := Fate{Place: at, ID: a.id, Plight: a.plight}
		f.Cause, f.By = t.tracking.Judge(a.plight, t.ledger.relief)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Fate) int {
		if by := strings.Compare(a.ID, b.ID); by != 0 {
			return by
		}
		return strings.Compare(a.Addr, b.Addr)
	})
	return all
}

// CutNow has the connections to the endpoint with this ID cut at once, without regard
// to any timeout, for the operator who does not want to wait. It must have been
// removed or taken out by his word: else it reports false, and nothing happens.
func (t *Tracker) CutNow(id string) bool {
	now := time.Now()
	s := t.opt.Balancer.Snapshot()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.note(s, t.retired, now)
	found := false
	for _, a := range t.ledger.accounts {
		p := &a.plight
		if a.id == id && !(p.Removed.IsZero() && p.Drained.IsZero() && p.Down.IsZero()) {
			p.CutNow, found = now, true
		}
	}
	if found {
		t.poke()
	}
	return found
}
