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

	check := health.Check{Type: "TCP", CheckInterval: 250 * time.Millisecond, UnhealthyThreshold: 3}
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

// An endpoint reports its load in a field of a response.
func ExampleLoadReader() {
	reader := health.NewLoadReader("orca.named_metrics.gpu")
	report := health.NoLoadReport()

	name, value := []byte("Endpoint-Load-Metrics"), []byte("TEXT cpu_utilization=0.5,named_metrics.gpu=0.9")
	if err := reader.Read(health.LoadFormOf(name), value, &report); err != nil {
		fmt.Println(err)
	}
	for _, metric := range []string{"orca.cpu_utilization", "orca.mem_utilization", "orca.named_metrics.gpu"} {
		value, ok := report.Value(metric)
		fmt.Println(metric, value, ok)
	}

	fmt.Println(reader.Read(health.LoadText, []byte("cpu_utilization=50%"), &report))
	// Output:
	// orca.cpu_utilization 0.5 true
	// orca.mem_utilization -1 false
	// orca.named_metrics.gpu 0.9 true
	// health: load report: a value is not a number from 0 on
}
