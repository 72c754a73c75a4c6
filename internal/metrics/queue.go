package metrics

import (
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

var (
	queued = desc("requests_queued",
		"Requests or connections that wait because everything is taken.",
		"service")
	queuedTotal = desc("queued_total",
		"Requests or connections that had to wait because everything was taken.",
		"service")
	queueWait = desc("queue_wait_seconds",
		"How long those waited, until they got an endpoint, left or were turned away.",
		"service")
	overflows = desc("overflows_total",
		"Requests, connections and UDP datagrams that were turned away because of a limit; max is that of the endpoints.",
		"service", "limit")
)

// queue is of services with circuit breakers, and for overflows of any.
func (s sink) queue(service string, q *lb.QueueStatus, stats *proxy.Stats) {
	if q != nil {
		s.gauge(queued, float64(q.Queued), service)
		s.counter(queuedTotal, q.QueuedTotal, service)
		if stats != nil {
			s.histogram(queueWait, &stats.QueueWait, service)
		}
	}
	if stats == nil {
		return
	}
	for l, limit := range lb.Limits {
		if n := stats.Overflows[l].Load(); n > 0 || q != nil {
			s.counter(overflows, n, service, limit)
		}
	}
}
