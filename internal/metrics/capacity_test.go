package metrics_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

func TestWhatGroupsReportIsThereDryRunsToo(t *testing.T) {
	now := time.Unix(1e9, 0)
	b, err := lb.New(lb.Options{Now: func() time.Time { return now }, Groups: []lb.Group{{
		Name:      "eu",
		Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}},
		Capacity: capacity.Backend{Mode: capacity.CustomMetrics, CustomMetrics: []capacity.CustomMetric{
			{Name: "orca.named_metrics.gpu"}, {Name: "orca.cpu_utilization", DryRun: true}, {Name: "orca.mem_utilization"},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for id, busy := range map[string]float64{"a": 0.25, "b": 0.75} {
		r := health.NoLoadReport()
		r.CPU, r.Named = busy, []health.NamedMetric{{Name: "gpu", Value: busy / 2}}
		b.Report(id, &r)
	}
	now = now.Add(time.Second)
	b.Sweep()
	expect(t, collectorOf(metrics.Service{Name: "web", Balancer: b, Stats: new(proxy.Stats)}), `
# HELP spillway_group_utilization Mean of what the group's endpoints report of a metric that its balancing_mode goes by, dry runs too; 1 is all there is.
# TYPE spillway_group_utilization gauge
spillway_group_utilization{group="eu",metric="orca.cpu_utilization",service="web"} 0.5
spillway_group_utilization{group="eu",metric="orca.named_metrics.gpu",service="web"} 0.25
`)
}

func TestGroupsWithoutAModeHaveNoCapacityToShow(t *testing.T) {
	for _, name := range []string{"capacity", "usage", "fullness", "share_expected", "share_actual"} {
		if n := testutil.CollectAndCount(collectorOf(web(t)), "spillway_group_"+name); n != 0 {
			t.Errorf("%d series of group_%s, want none", n, name)
		}
	}
}
