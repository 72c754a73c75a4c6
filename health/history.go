package health

import "time"

// A Past is the end of a check that is over.
type Past struct {
	At          time.Time // when it ended
	Took        time.Duration
	OK, Timeout bool
	Reason      string // why it failed
}

// kept is how many past checks are known of an endpoint, and flapMinutes for how long its changes of health are.
const (
	kept        = 5
	flapMinutes = 10
)

// history is what a [Prober] remembers of an endpoint. There may be ten thousand of them, and so it is small: times are
// in nanoseconds of Unix.
type history struct {
	ring    [kept]past
	checks  uint64             // that were ever noted
	since   int64              // of the status; 0: it is Unknown
	flaps   [flapMinutes]uint8 // changes in each of the last minutes, a ring
	counted int64              // the minute that was counted last
}

type past struct {
	at, took    int64
	reason      string
	ok, timeout bool
}

// note takes in a result, and that it turned a status of before into another.
func (h *history) note(r Result, at time.Time, before Status, changed bool) {
	h.ring[h.checks%kept] = past{at.UnixNano(), int64(r.Took), r.Reason, r.OK, r.Timeout}
	h.checks++
	if !changed {
		return
	}
	h.since = at.UnixNano()
	if before == Unknown {
		return // to get to know an endpoint is no change of its health
	}
	h.turn(at)
	if n := &h.flaps[h.counted%flapMinutes]; *n < 255 {
		*n++
	}
}

// turn empties the minutes that have gone by.
func (h *history) turn(at time.Time) {
	minute := at.Unix() / 60
	for i := max(h.counted+1, minute-flapMinutes+1); i <= minute; i++ {
		h.flaps[i%flapMinutes] = 0
	}
	h.counted = max(h.counted, minute)
}

// flapped is how often the health has changed lately.
func (h *history) flapped(now time.Time) (n int) {
	h.turn(now)
	for _, of := range h.flaps {
		n += int(of)
	}
	return n
}

// last returns the checks that are known, the newest at the end.
func (h *history) last() []Past {
	n := min(h.checks, kept)
	all := make([]Past, 0, n)
	for i := h.checks - n; i < h.checks; i++ {
		p := &h.ring[i%kept]
		all = append(all, Past{At: time.Unix(0, p.at), Took: time.Duration(p.took), OK: p.ok, Timeout: p.timeout, Reason: p.reason})
	}
	return all
}
