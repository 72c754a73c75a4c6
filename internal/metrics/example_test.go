package metrics_test

import (
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

func Example() {
	b, err := lb.New(lb.Options{Name: "web", Endpoints: []balance.Endpoint{{Addr: "10.0.0.1:80"}}})
	if err != nil {
		log.Fatal(err)
	}
	stats := new(proxy.Stats)
	stats.Codes(nil).Add(503) // as the proxy does when it answers itself

	registry := metrics.NewRegistry(metrics.Source{
		Services: func() []metrics.Service {
			return []metrics.Service{{Name: "web", Balancer: b, Stats: stats}}
		},
	})
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "spillway_requests_total" {
			fmt.Println(f.GetMetric()[0].GetLabel()[0].GetValue(), f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output: 503 1
}
