package lb

import (
	"math"
	"sync/atomic"
)

// A keyGate says which keys stay with a group that has more of them than it can
// take. A key's own hash decides, so it is the same keys as long as the part is
// the same: sessions do not flap (spec.md §5.4).
type keyGate struct {
	turnedAway atomic.Uint64 // the part of the keys that go elsewhere, of 2⁶⁴
	judged     atomic.Int64  // when that was last looked at
}

const (
	// reopen is the part of the capacity below which demand must be for keys to
	// come back (spec.md §5.4).
	reopen = 0.9
	// crowdedKeys is how much of the capacity those that stay are to use, so that
	// they have room for the ups and downs of a second.
	crowdedKeys = 0.97
	// steady is the change below which the part stays what it is.
	steady = 0.03
	// judgeEvery is how often it is looked at.
	judgeEvery = int64(250e6)
)

// due reports whether it is time for judge. Of those who ask at once, and do not
// only look, it is for one.
func (k *keyGate) due(now int64, looks bool) bool {
	last := k.judged.Load()
	return now-last >= judgeEvery && (looks || k.judged.CompareAndSwap(last, now))
}

// judge returns the part that is to go elsewhere, from the demand of the keys that
// belong to the group and the limit, both in requests per second.
func (k *keyGate) judge(demand, limit float64) uint64 {
	was := k.turnedAway.Load()
	switch {
	case demand < reopen*limit:
		return 0
	case demand > limit:
		if want := 1 - crowdedKeys*limit/demand; math.Abs(want-asPart(was)) > steady {
			return fraction(want)
		}
	}
	return was
}

// full turns all keys away; reopens says when few enough are left to let them back.
func (k *keyGate) full() { k.turnedAway.Store(math.MaxUint64) }

func (k *keyGate) reopens(active, limit int64) bool { return float64(active) < reopen*float64(limit) }

// fraction makes a part, 0 to 1, one of 2⁶⁴; asPart does the reverse.
func fraction(part float64) uint64 {
	switch {
	case !(part > 0):
		return 0
	case part >= 1:
		return math.MaxUint64
	}
	return uint64(part * (1 << 63) * 2)
}

func asPart(fraction uint64) float64 { return float64(fraction) / (1 << 64) }
