package capacity

import (
	"math"
	"time"
)

// An Estimate is how much a group can take whose mode goes by reports, learned
// from what it was given and what it reported then (spec.md §2.3):
//
//	target = rate · maximum / utilization
//
// Both are means of about ten seconds: much more than it takes until reports show
// what a change of shares has done, or shares would chase their own echo. The zero
// value knows nothing. An Estimate is not safe for concurrent use.
type Estimate struct {
	seen        time.Duration
	rate        float64 // means
	fullness    float64
	utilization float64
	target      float64 // 0: not known
	peak        float64 // the highest that target ever was
}

const (
	// memory is the time constant of the means. Observed once a second, with
	// reports that are d seconds late, the loop does not swing while 1/memory is
	// less than d^d/(d+1)^(d+1): with 10 s, up to d = 3.
	memory = 10 * time.Second
	// firstLook is how long something must have been seen to be believed.
	firstLook = 3 * time.Second
	// noise is the utilization below which reports say little: what machines do by
	// themselves. Twice as much is believed entirely.
	noise = 0.10
	// leastUtilization stands for all below it.
	leastUtilization = 0.01
	// slew is the factor by which a target changes within a second at most. Rates
	// jump before reports do, and a target should not.
	slew = 1.1
	// floor is the part of its highest target that a group never loses, so that
	// something goes there and shows when it is better.
	floor = 1.0 / 20
)

// Observe takes in that the group was given rate, in requests or connections per
// second, over the last dt, which is about a second, and how full it says it is.
func (e *Estimate) Observe(dt time.Duration, rate float64, r Reading) {
	f := r.Fullness()
	if dt <= 0 || !(rate >= 0) || !(f >= 0) || math.IsInf(rate+f, 0) {
		return
	}
	e.seen += dt
	// At first the mean of all there was, later one that forgets.
	part := max(1-math.Exp(-dt.Seconds()/memory.Seconds()), dt.Seconds()/e.seen.Seconds())
	e.rate += part * (rate - e.rate)
	e.fullness += part * (f - e.fullness)
	e.utilization += part * (r.Utilization - e.utilization)
	next := e.rate / max(e.fullness, leastUtilization/r.Max)
	switch {
	case e.target > 0 && e.believes(next):
		step := math.Pow(slew, dt.Seconds())
		next = min(e.target*step, max(e.target/step, next))
		e.peak = max(e.peak, next)
		e.target = max(next, e.peak*floor)
	case e.target == 0 && e.seen >= firstLook && e.utilization >= noise && next > 0:
		e.target, e.peak = next, next
	}
}

// believes reports whether next says anything of a group of which a target is
// known. One that gets little of what it could take reports what its machines do
// by themselves: the less it gets the less it would seem able to take.
func (e *Estimate) believes(next float64) bool {
	switch given := e.rate / e.target; {
	case e.fullness >= 1:
		return true
	case given < 0.1:
		return false
	case given < 0.25:
		return next > e.target
	default:
		return true
	}
}

// Target is what the group can take, in the unit of the rate, with a scaler of 1.
// It is not known until the group has been seen at work for a few seconds.
func (e *Estimate) Target() (target float64, known bool) {
	return e.target, e.target > 0
}

// Forget is for a group that has stopped to report. It knows nothing then.
func (e *Estimate) Forget() { *e = Estimate{} }

// TargetsByReports are the targets, with a scaler of 1, of a service's groups whose
// modes go by reports, of which so many members each are configured.
//
// Where some are not known yet, they count as much for each member as the known
// ones do, and nothing limits them. While none is known, a member counts for each,
// which should be what it does in the service's groups that have a rate; 0 stands
// for 1, where there are none. While all are nearly idle, reports say too little to
// tell groups apart, so what is known of all together is dealt out by members.
func TargetsByReports(estimates []Estimate, members []int, each float64) (targets []float64, unlimited []bool) {
	targets, unlimited = make([]float64, len(estimates)), make([]bool, len(estimates))
	known, counted, highest := 0.0, 0, 0.0
	for i, e := range estimates {
		if e.target > 0 {
			known += e.target
			counted += members[i]
		}
		highest = max(highest, e.utilization)
	}
	switch {
	case known > 0 && counted > 0:
		each = known / float64(counted)
	case !(each > 0):
		each = 1
	}
	// By degrees: shares that jumped at a threshold would jump back at once, because
	// the jump itself makes the fullest group less full.
	belief := max(0, min(1, (highest-noise)/noise))
	for i, e := range estimates {
		targets[i] = each * float64(members[i])
		unlimited[i] = e.target == 0
		if !unlimited[i] {
			targets[i] += belief * (e.target - targets[i])
		}
	}
	return targets, unlimited
}
