package config

import "math"

// SlowStart lets an endpoint that joins, recovers from ill health or returns from an
// ejection warm up: it begins with a part of its weight, which grows until the window
// is over, max(min_weight_percent, (time ÷ window)^(1 ÷ aggression)). It goes with every
// locality_lb_policy: those that hash give the endpoint a growing part of its own keys,
// and move no others. Endpoints that are there when the proxy starts are warm; where
// all are cold, all are equal. It has no part in target capacities.
type SlowStart struct {
	// How long it takes, at least 1s. Required.
	Window Duration `toml:"window"`
	// Above 1 most of the weight comes early, below 1 late, and 1 is evenly; above 0.
	// Default: `1`.
	Aggression float64 `toml:"aggression"`
	// The part to begin with, 1 to 100. Default: `10`.
	MinWeightPercent int `toml:"min_weight_percent"`
}

func (s *SlowStart) setDefaults() { *s = SlowStart{Aggression: 1, MinWeightPercent: 10} }

// checkSlowStart checks slow start (spec.md §4.10).
func (l *loader) checkSlowStart(path string, s *Service) {
	w := s.SlowStart
	if w == nil {
		return
	}
	section := path + ".slow_start"
	window, aggression := section+".window", section+".aggression"
	switch {
	case l.bad[window]:
	case !l.has(window):
		l.errorf(window, "is missing: how long an endpoint takes to warm up")
	case w.Window < second:
		l.errorf(window, "must be at least 1s")
	}
	if a := w.Aggression; !l.bad[aggression] && (!(a > 0) || math.IsInf(a, 1)) {
		l.errorf(aggression, "%v is not a number above 0", a)
	}
	l.checkRange(section+".min_weight_percent", int64(w.MinWeightPercent), 1, 100)
	if s.LocalityLBPolicy == "ORIGINAL_DESTINATION" && !l.bad[path+".locality_lb_policy"] {
		l.errorf(section, `has no meaning beside locality_lb_policy = "ORIGINAL_DESTINATION": clients get the endpoint that they have dialed, or none`)
	}
}

// checkPanic checks how a panic begins and what it does (spec.md §3.8).
func (l *loader) checkPanic(path string, s *Service) {
	threshold := path + ".panic_threshold"
	l.checkRange(threshold, int64(s.PanicThreshold), 0, 100)
	if s.Panic == "shed" && s.PanicThreshold == 0 && !l.bad[threshold] && s.FailoverPolicy == nil {
		l.errorf(path+".panic", `"shed" needs a panic_threshold above 0: with 0 nobody is healthy in a panic, and it does what "closed" does`)
	}
}
