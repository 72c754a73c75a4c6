package orca_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	grpcorca "google.golang.org/grpc/orca"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/health/orca"
)

// An endpoint that has gRPC's own service tells how busy it is.
func Example() {
	load := grpcorca.NewServerMetricsRecorder()
	load.SetCPUUtilization(0.7)
	load.SetNamedUtilization("gpu", 0.2) // of another map: not a named metric
	endpoint := grpc.NewServer()
	if err := grpcorca.Register(endpoint, grpcorca.ServiceOptions{ServerMetricsProvider: load}); err != nil {
		fmt.Println(err)
		return
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go endpoint.Serve(socket)
	defer endpoint.Stop()

	ctx, cancel := context.WithCancel(context.Background())
	err = orca.Watch(ctx, orca.Options{}, socket.Addr().String(), nil, func(r *health.LoadReport, err error) {
		fmt.Println(r.CPU, r.Memory, err)
		cancel()
	})
	fmt.Println(err)
	// Output:
	// 0.7 -1 <nil>
	// context canceled
}
