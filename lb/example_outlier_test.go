package lb_test

import (
	"context"
	"fmt"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// One of three endpoints says 503 to everybody. After the third time it is left
// alone for half a minute, which is the default, and then tried again.
func ExampleOptions_outlier() {
	now := time.Now()
	b, err := lb.New(lb.Options{
		Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}, {ID: "c"}},
		Outlier:   &health.Outlier{},
		Now:       func() time.Time { return now },
	})
	if err != nil {
		panic(err)
	}
	ask := func(n int) (got int) {
		for range n {
			lease, err := b.Pick(context.Background(), lb.Request{})
			if err != nil {
				panic(err)
			}
			if lease.Endpoint.ID == "b" {
				got++
				lease.Done(lb.GatewayFailure)
				continue
			}
			lease.Done(lb.Success)
		}
		return got
	}
	fmt.Println("of 90 it got", ask(90))
	now = now.Add(31 * time.Second)
	b.Sweep()
	fmt.Println("and then of 90", ask(90))
	// Output:
	// of 90 it got 3
	// and then of 90 3
}
