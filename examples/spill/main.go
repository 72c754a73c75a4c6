// Spill fills a near group up to its capacity and sends what is more to a far
// one. When both are full each gets its part of the excess: nobody is refused.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	b, err := lb.New(lb.Options{
		Here: capacity.Place{Region: "eu", Zone: "eu-a"},
		Seed: 7, // so that it prints the same each time
		Groups: []lb.Group{{
			Name: "near", Region: "eu", Zone: "eu-a",
			Capacity:  capacity.Backend{Mode: capacity.Connection, MaxConnections: 30},
			Endpoints: []balance.Endpoint{{Addr: "10.0.0.1:5432"}, {Addr: "10.0.0.2:5432"}},
		}, {
			Name: "far", Region: "us", Zone: "us-a",
			Capacity:  capacity.Backend{Mode: capacity.Connection, MaxConnectionsPerEndpoint: 10},
			Endpoints: []balance.Endpoint{{Addr: "10.1.0.1:5432"}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	open := 0
	for _, clients := range []int{20, 30, 35, 40, 80} {
		for ; open < clients; open++ {
			// The lease is held as long as the connection: here for ever.
			if _, err := b.Pick(context.Background(), lb.Request{}); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Printf("%d clients:", clients)
		for _, g := range b.Status().Groups {
			fmt.Printf("  %s %.0f of %.0f", g.Name, g.Usage, g.Capacity)
		}
		fmt.Println()
	}
}
