package lb

import "github.com/spillway-lb/spillway/health"

// A class is how fit an endpoint is. The lowest that somebody has gets all.
type class uint8

const (
	healthy    class = iota
	unknown          // its health is UNKNOWN
	ill              // UNHEALTHY or TIMEOUT
	weightless       // added to the above: it would rather have nothing
	unfit      = 2 * weightless
)

// fit keeps those of the first class that has somebody:
//
//	HEALTHY                 weight > 0   by their weights
//	UNKNOWN                 weight > 0   by their weights
//	UNHEALTHY or TIMEOUT    weight > 0   by their weights    if the ill may be picked
//	HEALTHY                 weight 0     equally
//	UNKNOWN                 weight 0     equally
//	UNHEALTHY or TIMEOUT    weight 0     equally             if the ill may be picked
//
// Only a reported weight is 0 here, and asks for no traffic: without a failover
// policy it yields even to the ill (spec.md §4.7).
//
// With a failover policy the ill may be picked where everybody is ill and it does not
// drop (spec.md §9.3). Without one that is for PanicMode to say: open, they may,
// closed and shed, they may not. And where fewer than threshold percent are not known
// to be ill, or none at all, there is a panic: open takes everybody for healthy then,
// closed takes nobody, and shed takes as usual, but not every request.
func (d *ruling) fit(members []*member, in []int, r rules) []int {
	illToo, blind := r.panic == PanicOpen, false
	if r.failover != nil {
		illToo = !r.failover.DropIfUnhealthy && countWell(members, in) == 0
	} else if d.panics(members, in, r.threshold) {
		if r.panic == PanicClosed {
			return d.keep(in, func(int) Standing { return InPanic })
		}
		blind = r.panic == PanicOpen
	}
	classes, best := make([]class, len(members)), unfit
	for _, i := range in {
		c := classOf(members[i])
		switch {
		case blind:
			c = healthy
		case c == ill && !illToo:
			c = unfit
		}
		if d.weights[i] == 0 && c != unfit {
			c += weightless
		}
		classes[i] = c
		best = min(best, c)
	}
	if best >= weightless && best != unfit {
		d.weights = weights(members, func(*member) uint32 { return 1 })
	}
	if d.panic && r.panic == PanicShed {
		d.shed(in, func(i int) bool { return classes[i] == best && best != unfit })
	}
	return d.keep(in, func(i int) Standing {
		switch {
		case classes[i] == best && best != unfit:
			return InUse
		case blind:
			return NoWeight
		case members[i].suspect.Ejected:
			return IsEjected
		}
		switch members[i].health {
		case health.Healthy:
			return NoWeight
		case health.Unknown:
			return NotKnown
		default:
			return IsIll
		}
	})
}

// classOf is m's, by its health. Who is ejected is ill, whatever checks say.
func classOf(m *member) class {
	switch {
	case m.suspect.Ejected:
		return ill
	case m.health == health.Healthy:
		return healthy
	case m.health == health.Unknown:
		return unknown
	default:
		return ill
	}
}

// countWell counts those at the positions in that are not known to be ill.
func countWell(members []*member, in []int) (well int) {
	for _, i := range in {
		if classOf(members[i]) != ill {
			well++
		}
	}
	return well
}

// tooFew reports whether so many of them are too few for health to be believed.
func tooFew(well, of, threshold int) bool { return well == 0 || well*100 < threshold*of }
