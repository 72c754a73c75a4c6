// Drain takes an endpoint out of service while traffic runs: nobody new comes,
// who is there may finish, and then it can be stopped and removed.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}, {ID: "b", Addr: "10.0.0.2:80"}}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() { client(ctx, b) })
	}

	for endpoint(b, "b").Requests < 100 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("traffic runs over a and b")

	if err := b.SetAdmin("b", lb.Drain); err != nil {
		log.Fatal(err)
	}
	for endpoint(b, "b").Active > 0 {
		time.Sleep(time.Millisecond)
	}
	atEnd := endpoint(b, "b").Requests
	fmt.Println("b is drained: its requests have finished, it can be stopped")

	for before := endpoint(b, "a").Requests; endpoint(b, "a").Requests < before+100; {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("a serves on; requests that b got meanwhile: %d\n", endpoint(b, "b").Requests-atEnd)

	failures := endpoint(b, "b").Failures
	if err := b.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("b is removed; removed endpoints that still have requests: %d\n", len(b.Status().Removed))

	stop()
	clients.Wait()
	fmt.Printf("failed requests: %d\n", failures+endpoint(b, "a").Failures)
}

// client sends one request after the other, a few milliseconds each.
func client(ctx context.Context, b *lb.Balancer) {
	for ctx.Err() == nil {
		lease, err := b.Pick(ctx, lb.Request{})
		if err != nil {
			log.Fatal(err) // while there is an endpoint, nobody is turned away
		}
		time.Sleep(2 * time.Millisecond) // the work
		lease.Done(lb.Success)
	}
}

func endpoint(b *lb.Balancer, id string) lb.EndpointStatus {
	for _, e := range b.Status().Groups[0].Endpoints {
		if e.ID == id {
			return e
		}
	}
	return lb.EndpointStatus{}
}
