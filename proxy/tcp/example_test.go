package tcp_test

import (
	"fmt"
	"io"
	"net"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// One connection through an engine to an endpoint that greets and leaves.
func Example() {
	endpoint, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer endpoint.Close()
	go func() {
		if c, err := endpoint.Accept(); err == nil {
			io.WriteString(c, "hello from the endpoint")
			c.Close()
		}
	}()

	balancer, err := lb.New(lb.Options{
		Endpoints: []balance.Endpoint{{Addr: endpoint.Addr().String()}},
	})
	if err != nil {
		panic(err)
	}
	engine := tcp.New(tcp.Options{Listener: "example"})
	engine.SetService(&proxy.Service{Name: "greeter", Balancer: balancer, Stats: new(proxy.Stats)})

	client, server := net.Pipe() // proxy.Listener accepts real ones
	served := make(chan struct{})
	go func() {
		engine.ServeConn(server)
		close(served)
	}()
	answer, err := io.ReadAll(client)
	fmt.Printf("%s, %v\n", answer, err)
	client.Close()
	<-served
	fmt.Println(engine.Active(), "connections left")
	// Output:
	// hello from the endpoint, <nil>
	// 0 connections left
}
