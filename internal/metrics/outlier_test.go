package metrics_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
)

func TestEjectionsAndRefusalsAreShown(t *testing.T) {
	b, err := lb.New(lb.Options{Name: "web", Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}}, HealthCheck: &health.Check{}, Outlier: &health.Outlier{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := b.SetHealth(id, health.Healthy, ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		l, err := b.Pick(context.Background(), lb.Request{Sticky: "a"})
		if err != nil {
			t.Fatal(err)
		}
		l.Done(lb.ConnectFailure)
	}
	want := `
# HELP spillway_ejections_total How often outlier detection has ejected the endpoint, by the rule that it was found by; there once it has.
# TYPE spillway_ejections_total counter
spillway_ejections_total{endpoint="a",group="",reason="CONSECUTIVE_GATEWAY_FAILURE",service="web"} 1
# HELP spillway_endpoint_ejected 1 while outlier detection keeps the endpoint out, else 0.
# TYPE spillway_endpoint_ejected gauge
spillway_endpoint_ejected{endpoint="a",group="",service="web"} 1
spillway_endpoint_ejected{endpoint="b",group="",service="web"} 0
# HELP spillway_endpoint_refusing 1 while the endpoint's health checks pass and its traffic comes to nothing but connect failures, else 0.
# TYPE spillway_endpoint_refusing gauge
spillway_endpoint_refusing{endpoint="a",group="",service="web"} 1
spillway_endpoint_refusing{endpoint="b",group="",service="web"} 0
`
	c := collectorOf(metrics.Service{Name: "web", Balancer: b})
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "spillway_ejections_total", "spillway_endpoint_ejected", "spillway_endpoint_refusing"); err != nil {
		t.Error(err)
	}
}
