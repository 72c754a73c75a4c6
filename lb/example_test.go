package lb_test

import (
	"context"
	"fmt"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func Example() {
	b, err := lb.New(lb.Options{
		Policy: balance.Maglev(0),
		Endpoints: []balance.Endpoint{
			{ID: "blue", Addr: "10.0.0.1:80"},
			{ID: "green", Addr: "10.0.0.2:80"},
		},
	})
	if err != nil {
		panic(err)
	}
	for _, user := range []uint64{1, 2, 1, 2} { // hashes of the users' names, say
		lease, err := b.Pick(context.Background(), lb.Request{Key: user, Keyed: true})
		if err != nil {
			panic(err)
		}
		fmt.Println("user", user, "to", lease.Endpoint.ID)
		lease.Done(lb.Success)
	}
	// Output:
	// user 1 to green
	// user 2 to blue
	// user 1 to green
	// user 2 to blue
}
