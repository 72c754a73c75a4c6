package simulate_test

import (
	"context"
	"fmt"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/internal/simulate"
	"github.com/spillway-lb/spillway/lb"
)

// Two groups and twice what they can take: both are overfilled in proportion to
// their capacity.
func Example() {
	group := func(name string, rate float64) lb.Group {
		return lb.Group{
			Name:      name,
			Capacity:  capacity.Backend{Mode: capacity.Rate, MaxRate: rate},
			Endpoints: []balance.Endpoint{{Addr: name + ":80"}},
		}
	}
	demand, err := simulate.Demand{Curve: simulate.Constant(200), Until: time.Minute}.Arrivals()
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := simulate.Run(context.Background(), simulate.Options{
		Service:  lb.Options{Name: "web", Groups: []lb.Group{group("big", 80), group("small", 20)}},
		Arrivals: demand,
		Duration: time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range report.Groups {
		fmt.Printf("%s gets %.1f of the traffic\n", g.Group, g.Share)
	}
	fmt.Println(report.Errors, "errors")
	// Output:
	// big gets 0.8 of the traffic
	// small gets 0.2 of the traffic
	// 0 errors
}
