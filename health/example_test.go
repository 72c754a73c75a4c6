package health_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// A watch reports each check of an endpoint until its context ends.
func Example() {
	endpoint, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer endpoint.Close()

	check := health.Check{Type: "TCP", CheckInterval: 50 * time.Millisecond, UnhealthyThreshold: 3}
	ctx, cancel := context.WithCancel(context.Background())
	err = health.Watch(ctx, check, endpoint.Addr().String(), func(e health.Event) {
		if !e.Changed {
			return
		}
		fmt.Printf("%v %q\n", e.Status, e.Reason)
		switch e.Status {
		case health.Healthy:
			endpoint.Close()
		case health.Unhealthy:
			cancel()
		}
	})
	fmt.Println(err)
	// Output:
	// HEALTHY ""
	// UNHEALTHY "connection refused"
	// context canceled
}

// The machine alone, for results that come from elsewhere.
func ExampleMachine() {
	m := health.NewMachine(health.Check{HealthyThreshold: 2, UnhealthyThreshold: 2})
	refused := health.Result{Reason: "connection refused"}
	for _, r := range []health.Result{{OK: true}, refused, refused, {OK: true}} {
		m.Apply(r)
		fmt.Printf("%v %+d %q\n", m.Status(), m.Streak(), m.Reason())
	}
	// Output:
	// HEALTHY +1 ""
	// HEALTHY -1 "connection refused"
	// UNHEALTHY -2 "connection refused"
	// UNHEALTHY +1 "connection refused"
}
