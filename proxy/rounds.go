package proxy

import "time"

// Rounds are when something is done about an endpoint's connections: once, and then
// again after againFirst, twice as long after that, and so on up to againLast. For a
// connection is not to be found while its endpoint is being picked and dialed.
type rounds struct {
	next time.Time     // zero: there are no more
	wait time.Duration // until the one after
}

const (
	againFirst = 50 * time.Millisecond
	againLast  = time.Minute
)

// begin makes at the first of them; the zero time is never.
func (r *rounds) begin(at time.Time) { *r = rounds{at, againFirst} }

// due reports whether one is to be made now, and sets the time of the next.
func (r *rounds) due(now time.Time) bool {
	if r.over() || r.next.After(now) {
		return false
	}
	r.next = time.Time{}
	if r.wait <= againLast {
		r.next = now.Add(r.wait)
		r.wait *= 2
	}
	return true
}

func (r *rounds) over() bool { return r.next.IsZero() }
