package metrics

import "github.com/spillway-lb/spillway/lb"

var (
	panicking = desc("panic",
		"1 while too few endpoints of the service are healthy and panic decides who gets traffic, else 0.",
		"service")
	panics = desc("panics_total",
		"How often a panic has begun.",
		"service")
	shed = desc("shed_total",
		"Requests, connections and UDP sessions that were refused because panic is shed.",
		"service")
)

func (s sink) panics(service string, status *lb.Status) {
	now := 0.0
	if status.Panic {
		now = 1
	}
	s.gauge(panicking, now, service)
	s.counter(panics, status.Panics, service)
	s.counter(shed, status.Shed, service)
}

// displaced is of affinities that found no room.
func (s sink) displaced(service string, status *lb.Status) {
	s.counter(affinity, status.Displaced.AtMax, service, "at_max")
	s.counter(affinity, status.Displaced.GroupFull, service, "group_full")
}
