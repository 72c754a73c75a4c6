package health

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Suspect is what outlier detection knows of one endpoint. The zero value knows nothing against it. It is pure: no
// clock, no goroutine; it must not be used by two goroutines at once.
//
//	                     a rule finds it, and may eject it
//	┌─────────────┐    for min(base × n, max(base, max))     ┌─────────┐
//	│   in use    │─────────────────────────────────────────►│ ejected │
//	└─────────────┘                 n = n + 1                └─────────┘
//	 │  ▲   ▲                                                     │
//	 └──┘   └─────────────────────────────────────────────────────┘
//	 each look at rates:      the time is over, a check passes, or too
//	 n = n − 1                many are ejected since others have gone
type Suspect struct {
	Ejected bool
	Reason  OutlierReason // of the last ejection
	Since   time.Time     // when that began
	Until   time.Time     // when that is over
	Times   uint64        // how often it was ejected
	// ByReason is how often for which, in the order of [OutlierReasons].
	ByReason [len(OutlierReasons)]uint64

	row  int       // n
	back time.Time // when the last ejection ended
	last Tally     // at the last look
}

// A Tally counts what has ever come of an endpoint's requests.
type Tally struct{ Finished, Failed, Neutral uint64 }

// Eject takes it out.
func (s *Suspect) Eject(o *Outlier, r OutlierReason, now time.Time) {
	if time.Duration(s.row)*o.BaseEjectionTime < max(o.BaseEjectionTime, o.MaxEjectionTime) { // beyond that it makes no difference, but to decay
		s.row++
	}
	s.Ejected, s.Reason, s.Times = true, r, s.Times+1
	if r > NotAnOutlier && int(r) <= len(s.ByReason) {
		s.ByReason[r-1]++
	}
	s.Since, s.Until = now, now.Add(o.EjectionTime(s.row))
}

// IsOver reports whether an ejection has lasted long enough.
func (s *Suspect) IsOver(now time.Time) bool { return s.Ejected && !now.Before(s.Until) }

// Return lets it back in. What it did until now, which t says, does not count against it.
func (s *Suspect) Return(now time.Time, t Tally) {
	s.Ejected, s.back, s.last = false, now, t
}

// Look ends an interval that began at began: it returns what came of the endpoint's requests in it. t is the tally
// now.
func (s *Suspect) Look(t Tally) (r Rate) {
	finished, failed, neutral := t.Finished-s.last.Finished, t.Failed-s.last.Failed, t.Neutral-s.last.Neutral
	s.last = t
	if neutral < finished { // counters are not read at one moment
		r.Failures = min(failed, finished-neutral)
		r.Successes = finished - neutral - r.Failures
	}
	return r
}

// Decay makes the next ejection shorter, if it was in use since then. It is called at each look, after those that it
// found were ejected: who fails again as soon as it is back is ejected for longer, whichever rule finds it.
func (s *Suspect) Decay(then time.Time) {
	if !s.Ejected && s.row > 0 && !s.back.After(then) {
		s.row--
	}
}

// An Ejection is what outlier detection holds against an endpoint, for whoever goes on to judge it. Its times are counted
// from the moment at which it was made.
type Ejection struct {
	Left   time.Duration // until it is over; 0: it is, or there was none
	Since  time.Duration // how long ago it began
	Reason OutlierReason
	Row    int // how many times as long as the first one the last was, less what has decayed since
}

// Ejection returns what is held against it now.
func (s *Suspect) Ejection(now time.Time) Ejection {
	e := Ejection{Row: s.row}
	if s.Ejected { // until somebody lets it back in
		e.Left, e.Since, e.Reason = max(s.Until.Sub(now), 1), now.Sub(s.Since), s.Reason
	}
	return e
}

// Resume makes what somebody else held against it what is held against it here, as far as o, with defaults filled in,
// goes. An ejection that is not counted in Times goes on until its time is over, and the interval that now falls into
// is none that it was in use for.
func (s *Suspect) Resume(o *Outlier, e Ejection, now time.Time) {
	longest := max(o.BaseEjectionTime, o.MaxEjectionTime)
	s.row = max(0, min(e.Row, int(longest/o.BaseEjectionTime)+1))
	s.back = now
	if e.Left > 0 {
		s.row = max(s.row, 1)
		s.Ejected, s.Reason = true, e.Reason
		s.Since, s.Until = now.Add(-max(e.Since, 0)), now.Add(min(e.Left, o.EjectionTime(s.row)))
	}
}

// A Rate is what came of an endpoint's requests in an interval.
type Rate struct{ Successes, Failures uint64 }

func (r Rate) volume() uint64 { return r.Successes + r.Failures }

// success is the part of requests that succeeded.
func (r Rate) success() float64 { return float64(r.Successes) / float64(r.volume()) }

// A Finding is an endpoint that a rule has found, by its position.
type Finding struct {
	Endpoint int
	Reason   OutlierReason
}

// Find compares endpoints by their rates in one interval, and returns those that SUCCESS_RATE and FAILURE_PERCENTAGE
// find, the worst first, by each of them. The standard deviation is the population's.
func (o *Outlier) Find(rates []Rate) []Finding {
	var found []Finding
	if in := withVolume(rates, o.SuccessRateRequestVolume, o.SuccessRateMinimumHosts); len(in) > 0 {
		limit := successLimit(rates, in, o.SuccessRateStdevFactor)
		for _, i := range in {
			if rates[i].success() < limit {
				found = append(found, Finding{i, SuccessRate})
			}
		}
	}
	for _, i := range withVolume(rates, o.FailurePercentageRequestVolume, o.FailurePercentageMinimumHosts) {
		if r := rates[i]; r.Failures*100 >= uint64(o.FailurePercentageThreshold)*r.volume() {
			found = append(found, Finding{i, FailurePercentage})
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(rates[a.Endpoint].success(), rates[b.Endpoint].success()))
	})
	return found
}

// withVolume returns the positions of endpoints that had as many requests; none, if these are fewer than the minimum.
func withVolume(rates []Rate, volume, minimum int) []int {
	var in []int
	for i, r := range rates {
		if r.volume() >= uint64(volume) {
			in = append(in, i)
		}
	}
	if len(in) < minimum {
		return nil
	}
	return in
}

// successLimit is mean − factor/1000 × standard deviation. It stays a hair below the mean, so that among equals nobody
// is found by an error of rounding.
func successLimit(rates []Rate, in []int, factor int) float64 {
	mean, variance := 0.0, 0.0
	for _, i := range in {
		mean += rates[i].success() / float64(len(in))
	}
	for _, i := range in {
		d := rates[i].success() - mean
		variance += d * d / float64(len(in))
	}
	return mean - math.Sqrt(variance)*float64(factor)/1000 - 1e-9
}
