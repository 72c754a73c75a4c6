package capacity_test

import (
	"fmt"

	"github.com/spillway-lb/spillway/capacity"
)

// A proxy in eu/a, two regions of two zones, and more and more to do: traffic
// stays at home while there is little of it, spreads over the region, spills to
// the next when that is full, and when all are full nobody is refused.
func Example() {
	group := func(region, zone string, perEndpoint float64, endpoints int) capacity.Group {
		b := capacity.Backend{Mode: capacity.Rate, MaxRatePerEndpoint: perEndpoint}
		return capacity.Group{
			Name:    region + "/" + zone,
			Place:   capacity.Place{Region: region, Zone: zone},
			Target:  b.Capacity(endpoints),
			Members: endpoints, Healthy: endpoints, Serving: true,
			RTT: -1, // not known: the proxy's own region is the first all the same
		}
	}
	groups := []capacity.Group{
		group("eu", "a", 20, 4), group("eu", "b", 20, 1),
		group("us", "a", 20, 4), group("us", "b", 20, 1),
	}
	here := capacity.Place{Region: "eu", Zone: "a"}
	plan := capacity.Arrange(groups, here, capacity.ServicePolicy{})
	for _, demand := range []float64{10, 50, 100, 150, 400} {
		fmt.Printf("%3v/s:", demand)
		for i, part := range plan.Fill(groups, demand) {
			fmt.Printf("  %s %3.0f", groups[i].Name, part*demand)
		}
		fmt.Println()
	}
	// Output:
	//  10/s:  eu/a  10  eu/b   0  us/a   0  us/b   0
	//  50/s:  eu/a  40  eu/b  10  us/a   0  us/b   0
	// 100/s:  eu/a  80  eu/b  20  us/a   0  us/b   0
	// 150/s:  eu/a  80  eu/b  20  us/a  40  us/b  10
	// 400/s:  eu/a 160  eu/b  40  us/a 160  us/b  40
}
