package health

import (
	"fmt"
	"time"
)

const (
	maxHold = time.Minute
	// forgiven is how long an endpoint must have been healthy for its falls before that not to count.
	forgiven = 10 * time.Minute
)

// damping holds an endpoint down that flaps (spec.md §11.1): for one interval from its fall, then two, four …
type damping struct {
	interval   time.Duration // 0: no damping
	hold       time.Duration // from the last fall; 0: it never fell
	fell, rose time.Time
}

func (d *damping) fall(now time.Time) {
	if d.hold == 0 || now.Sub(d.rose) >= forgiven {
		d.hold = d.interval
	} else {
		d.hold *= 2
	}
	d.hold = min(d.hold, maxHold)
	d.fell = now
}

// holds reports whether it is too early to rise.
func (d *damping) holds(now time.Time) bool {
	return d.hold > 0 && now.Sub(d.fell) < d.hold
}

func (d *damping) reason() string {
	return fmt.Sprintf("flaps: kept down for %v from its fall", d.hold)
}
