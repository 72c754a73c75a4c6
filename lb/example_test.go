package lb_test

import (
	"context"
	"fmt"
	"time"

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

// A group that stands by takes over when no primary is left, here because the
// operator drains the only one.
func ExampleFailover() {
	b, err := lb.New(lb.Options{
		Groups: []lb.Group{
			{Name: "main", Endpoints: []balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}}},
			{Name: "spare", Backup: true, Endpoints: []balance.Endpoint{{ID: "z", Addr: "10.0.1.1:80"}}},
		},
		Failover: &lb.Failover{Ratio: 0.5, DropIfUnhealthy: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func() {
		st := b.Status()
		fmt.Println(st.Pool)
		for _, g := range st.Groups {
			for _, e := range g.Endpoints {
				fmt.Printf("%s gets %.0f %%, dropped: %q\n", e.ID, 100*e.ShareExpected, e.Standing)
			}
		}
	}
	show()
	if err := b.SetAdmin("a", lb.Drain); err != nil {
		fmt.Println(err)
	}
	show()
	// Output:
	// PRIMARY
	// a gets 100 %, dropped: ""
	// z gets 0 %, dropped: "STANDBY"
	// BACKUP
	// a gets 0 %, dropped: "DRAIN"
	// z gets 100 %, dropped: ""
}

// Two may work at once; the third waits until one is done, and a fourth would be
// refused.
func ExampleBalancer_Wait() {
	b, err := lb.New(lb.Options{
		Endpoints:       []balance.Endpoint{{Addr: "10.0.0.1:80", Max: 2}},
		CircuitBreakers: &lb.CircuitBreakers{MaxPendingRequests: 1, PendingTimeout: time.Minute},
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	first, _ := b.Pick(ctx, lb.Request{})
	second, _ := b.Pick(ctx, lb.Request{})
	time.AfterFunc(time.Millisecond, func() { first.Done(lb.Success) })
	third, err := b.Wait(ctx, lb.Request{})
	fmt.Println(third.Endpoint.Addr, err)
	second.Done(lb.Success)
	third.Done(lb.Success)
	// Output: 10.0.0.1:80 <nil>
}

// An endpoint that joins gets a tenth of its weight, and after half of the window half
// of it.
func ExampleSlowStart() {
	now := time.Unix(0, 0)
	b, err := lb.New(lb.Options{
		Endpoints: []balance.Endpoint{{Addr: "10.0.0.1:80"}},
		SlowStart: &lb.SlowStart{Window: time.Minute},
		Now:       func() time.Time { return now },
	})
	if err != nil {
		panic(err)
	}
	err = b.SetEndpoints([]balance.Endpoint{{Addr: "10.0.0.1:80"}, {Addr: "10.0.0.2:80"}})
	if err != nil {
		panic(err)
	}
	for range 4 {
		fmt.Printf("%2.0f s: %.0f %%\n", now.Sub(time.Unix(0, 0)).Seconds(), 100*b.Status().Groups[0].Endpoints[1].Warm)
		now = now.Add(20 * time.Second)
		b.Sweep() // Run does so every second
	}
	// Output:
	//  0 s: 10 %
	// 20 s: 33 %
	// 40 s: 67 %
	// 60 s: 100 %
}
