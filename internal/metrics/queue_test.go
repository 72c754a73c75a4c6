package metrics_test

import (
	"errors"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func TestWhoWaitsAndWhoIsTurnedAwayIsShown(t *testing.T) {
	s := web(t)
	if err := s.Balancer.SetOptions(lb.Options{
		Endpoints:       []balance.Endpoint{{ID: "a", Addr: "a:1"}},
		CircuitBreakers: &lb.CircuitBreakers{MaxConnections: 1, MaxPendingRequests: 1},
	}); err != nil {
		t.Fatal(err)
	}
	held := pick(t, s.Balancer)
	defer held.Done(lb.Success)
	w, err := s.Balancer.Enqueue(lb.Request{}, time.Time{}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Leave()
	_, err = s.Balancer.Enqueue(lb.Request{}, time.Time{}, func() {})
	if !errors.Is(err, lb.ErrSaturated) {
		t.Fatal(err)
	}
	s.Stats.Overflows.Count(err)
	expect(t, collectorOf(s), `
# HELP spillway_requests_queued Requests or connections that wait because everything is taken.
# TYPE spillway_requests_queued gauge
spillway_requests_queued{service="web"} 1
# HELP spillway_queued_total Requests or connections that had to wait because everything was taken.
# TYPE spillway_queued_total counter
spillway_queued_total{service="web"} 1
# HELP spillway_overflows_total Requests, connections and UDP datagrams that were turned away because of a limit; max is that of the endpoints.
# TYPE spillway_overflows_total counter
spillway_overflows_total{limit="max",service="web"} 0
spillway_overflows_total{limit="max_connections",service="web"} 0
spillway_overflows_total{limit="max_pending_requests",service="web"} 1
spillway_overflows_total{limit="max_requests",service="web"} 0
spillway_overflows_total{limit="pending_timeout",service="web"} 0
`)
}
