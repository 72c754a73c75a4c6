package metrics_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
)

func TestFailoverIsSeen(t *testing.T) {
	b, err := lb.New(lb.Options{Name: "db", Groups: []lb.Group{
		{Name: "main", Endpoints: []balance.Endpoint{{ID: "a"}}},
		{Name: "spare", Backup: true, Endpoints: []balance.Endpoint{{ID: "b"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	// A service without backups has no such metric.
	c := collectorOf(web(t), metrics.Service{Name: "db", Balancer: b})
	const want = `
# HELP spillway_failover_active 1 while the backups of a service have its traffic, else 0; only of services with backups.
# TYPE spillway_failover_active gauge
spillway_failover_active{service="db"} `
	expect(t, c, want+"0\n")
	if err := b.SetAdmin("a", lb.Drain); err != nil {
		t.Fatal(err)
	}
	expect(t, c, want+"1\n")
}
