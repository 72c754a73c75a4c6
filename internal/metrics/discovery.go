package metrics

import "github.com/spillway-lb/spillway/discovery"

// A Finding is a group whose endpoints come from elsewhere.
type Finding struct {
	Group    string
	Counters *discovery.Counters
	// Endpoints is how many there are in the last good answer.
	Endpoints int
}

var (
	discoveryUpdates = desc("discovery_updates_total",
		"Answers of the source of a group's endpoints: a good one that differs from the one before or does not, one that names nobody, or none that can be used.",
		"group", "result")
	discoveryEndpoints = desc("discovery_endpoints",
		"Endpoints in the last good answer of a group's source.",
		"group")
)

func (s sink) finding(f Finding) {
	s.counter(discoveryUpdates, f.Counters.Changed.Load(), f.Group, "changed")
	s.counter(discoveryUpdates, f.Counters.Unchanged.Load(), f.Group, "unchanged")
	s.counter(discoveryUpdates, f.Counters.Nobody.Load(), f.Group, "nobody")
	s.counter(discoveryUpdates, f.Counters.Failed.Load(), f.Group, "failure")
	s.gauge(discoveryEndpoints, float64(f.Endpoints), f.Group)
}
