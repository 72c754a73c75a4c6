package metrics

import (
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

var (
	ejections = desc("ejections_total",
		"How often outlier detection has ejected the endpoint, by the rule that it was found by; there once it has.",
		"service", "group", "endpoint", "reason")
	ejected = desc("endpoint_ejected",
		"1 while outlier detection keeps the endpoint out, else 0.",
		"service", "group", "endpoint")
	refusing = desc("endpoint_refusing",
		"1 while the endpoint's health checks pass and its traffic comes to nothing but connect failures, else 0.",
		"service", "group", "endpoint")
)

// outlier sends what traffic has said of an endpoint.
func (s sink) outlier(service, group string, e *lb.EndpointStatus) {
	bit := map[bool]float64{true: 1}
	s.gauge(ejected, bit[e.Ejection.Ejected], service, group, e.ID)
	s.gauge(refusing, bit[e.Traffic.Refuses], service, group, e.ID)
	for i, n := range e.Ejection.ByReason {
		if n > 0 {
			s.counter(ejections, n, service, group, e.ID, health.OutlierReasons[i].String())
		}
	}
}
