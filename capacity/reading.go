package capacity

import (
	"math"
	"slices"
)

// A Reading is what a group's endpoints report, as one number: the mean of the
// metric that is nearest to its maximum.
type Reading struct {
	// Utilization is 1 for all there is.
	Utilization float64
	// Max is how high it may go, before the scaler.
	Max float64
}

// Reading is the reading of a group in Mode Utilization or CustomMetrics, from the
// mean over its endpoints of each metric by its name (spec.md §2.6). Metrics of
// dry run do not count. It is false where none that counts is known, and where b
// has no target for utilization.
func (b Backend) Reading(mean func(metric string) (value float64, known bool)) (Reading, bool) {
	var fullest Reading
	found := false
	for _, m := range b.metrics() {
		value, known := mean(m.Name)
		r := Reading{value, m.MaxUtilization}
		if m.DryRun || !known || !(value >= 0) || math.IsInf(value, 0) {
			continue
		}
		if !found || r.Fullness() > fullest.Fullness() {
			fullest, found = r, true
		}
	}
	return fullest, found
}

// metrics are those that b goes by, with their defaults.
func (b Backend) metrics() []CustomMetric {
	switch {
	case b.Mode == CustomMetrics:
		all := make([]CustomMetric, len(b.CustomMetrics))
		for i, m := range b.CustomMetrics {
			if m.MaxUtilization == 0 {
				m.MaxUtilization = DefaultUtilization
			}
			all[i] = m
		}
		return all
	case b.Mode != Utilization:
		return nil
	case b.MaxUtilization > 0:
		return []CustomMetric{{Name: utilizationMetric, MaxUtilization: b.MaxUtilization}}
	case b.Target(1) > 0:
		return nil // a rate or a number of connections is all that is wanted
	default:
		return []CustomMetric{{Name: utilizationMetric, MaxUtilization: DefaultUtilization}}
	}
}

// AlwaysFull reports whether b goes by a metric of which it may have nothing, see
// NoUtilization.
func (b Backend) AlwaysFull() bool {
	return slices.ContainsFunc(b.metrics(), func(m CustomMetric) bool {
		return !m.DryRun && m.MaxUtilization <= NoUtilization
	})
}

// utilizationMetric is what Mode Utilization goes by.
const utilizationMetric = "orca.cpu_utilization"

// Fullness is the reading over its maximum.
func (r Reading) Fullness() float64 { return r.Utilization / r.Max }
