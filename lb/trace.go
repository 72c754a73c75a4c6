package lb

import "github.com/spillway-lb/spillway/balance"

// A trace rides along with a pick that is to be explained. It makes it one that
// takes nothing, and notes on the way who could not be had. Picks have none: what
// they call on it, they call on nil.
type trace struct {
	session bool            // it was found by the request's session
	first   bool            // it is the first whom the policy names
	asked   bool            // the policy has named somebody, in the group that is looked at
	atMax   map[string]bool // IDs

	home     int            // the group that the pick belongs to; negative: none
	why      string         // the group that is asked refuses; "": it is full
	refused  map[int]string // groups that do not let it in, and why
	overfull bool           // all are full
}

func newTrace() *trace {
	return &trace{atMax: make(map[string]bool), home: -1, refused: make(map[int]string)}
}

// dry reports whether the pick takes nothing.
func (t *trace) dry() bool { return t != nil }

// take stands in for take.
func (t *trace) take(e *balance.Endpoint, avoid []*balance.Endpoint) (Lease, bool) {
	first := !t.asked
	t.asked = true
	if avoids(avoid, e) {
		return Lease{}, false
	}
	if e.Max > 0 && e.Load.Active() >= e.Max {
		t.atMax[e.ID] = true
		return Lease{}, false
	}
	t.first = first
	return Lease{Endpoint: e}, true
}

// keep notes whether the session's endpoint can be had.
func (t *trace) keep(ok bool) {
	if t != nil {
		t.session, t.asked = ok, false
	}
}

// begin notes which group the pick belongs to.
func (t *trace) begin(group int) {
	if t != nil {
		t.home = group
	}
}

// enter notes that the policy of another group is about to be asked.
func (t *trace) enter() {
	if t != nil {
		t.asked = false
	}
}

// because says why the group that is asked refuses, if not because it is full.
func (t *trace) because(why string) {
	if t != nil {
		t.why = why
	}
}

// refuse notes that a group does not let the pick in.
func (t *trace) refuse(group int) {
	if t == nil {
		return
	}
	if t.refused[group] == "" {
		t.refused[group] = DroppedGroupFull
		if t.why != "" {
			t.refused[group] = t.why
		}
	}
	t.why = ""
}

// reconsider forgets why a group has refused: it is asked again.
func (t *trace) reconsider(group int) {
	if t != nil {
		delete(t.refused, group)
	}
}

// overfill notes that all are full.
func (t *trace) overfill() {
	if t != nil {
		t.overfull = true
	}
}
