package balance

import (
	"math/rand/v2"
	"sync/atomic"
)

// Seeded returns p with its chance taken from seed, so that the same picks in the
// same order have the same end: for simulations and tests. All pickers that the
// returned policy builds share one row of random numbers. A policy of somebody
// else's, whose pickers have their chance from elsewhere, stays as it is.
func Seeded(p Policy, seed uint64) Policy {
	d := new(dice)
	d.state.Store(seed)
	return func(c []Candidate) Picker {
		picker := p(c)
		if s, ok := picker.(seeded); ok {
			s.use(d)
		}
		return picker
	}
}

// A seeded is a picker whose dice can be replaced, before the first Pick.
type seeded interface{ use(*dice) }

// dice are where a picker's random numbers come from. A nil *dice is the process'
// own source, which has one state for each thread and so no line that cores fight
// over; a seeded one has one state for all.
type dice struct{ state atomic.Uint64 }

func (d *dice) roll() uint64 {
	if d == nil {
		return rand.Uint64()
	}
	return mix(d.state.Add(0x9e3779b97f4a7c15)) // SplitMix64
}
