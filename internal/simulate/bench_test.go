package simulate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/internal/simulate"
	"github.com/spillway-lb/spillway/lb"
)

// Eight groups of ten endpoints, and as many requests in a minute as one
// operation says.
func BenchmarkAMillionRequests(b *testing.B) {
	const requests = 1_000_000
	for b.Loop() {
		o := simulate.Options{
			Service:  lb.Options{Name: "web", Groups: groups(8, 10, capacity.Backend{Mode: capacity.Rate, MaxRate: 2000})},
			Arrivals: arrivals(b, simulate.Demand{Curve: simulate.Constant(requests / 60.), Until: time.Minute, Poisson: true, Seed: 1}),
			Duration: time.Minute,
		}
		r, err := simulate.Run(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Requests), "requests/op")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/requests, "ns/request")
}

// groups makes n groups in zones z1, z2, … of region r, of m endpoints each.
func groups(n, m int, c capacity.Backend) []lb.Group {
	var all []lb.Group
	for i := range n {
		g := lb.Group{Name: fmt.Sprintf("g%d", i+1), Region: "r", Zone: fmt.Sprintf("z%d", i+1), Capacity: c}
		for j := range m {
			g.Endpoints = append(g.Endpoints, balance.Endpoint{ID: fmt.Sprintf("g%d-%d", i+1, j+1), Addr: fmt.Sprintf("10.0.%d.%d:80", i, j)})
		}
		all = append(all, g)
	}
	return all
}

func arrivals(t testing.TB, d simulate.Demand) simulate.Arrivals {
	t.Helper()
	a, err := d.Arrivals()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
