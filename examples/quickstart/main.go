// Quickstart balances without a proxy: it asks for an endpoint, uses it, and
// says how that went.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	// README: begin
	b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{
		{Addr: "10.0.0.1:80", Weight: 2},
		{Addr: "10.0.0.2:80", Weight: 1},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for range 3000 {
		lease, err := b.Pick(context.Background(), lb.Request{})
		if err != nil {
			log.Fatal(err) // lb.ErrNoEndpoint, lb.ErrSaturated or lb.ErrClosed
		}
		// Here comes your work with lease.Endpoint.Addr.
		lease.Done(lb.Success) // or lb.Failure; lb.Neutral if it was not the endpoint's fault
	}
	// README: end
	for _, e := range b.Status().Groups[0].Endpoints {
		fmt.Printf("%s got %d requests\n", e.Addr, e.Requests)
	}
}
