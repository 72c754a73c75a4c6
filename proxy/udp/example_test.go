package udp_test

import (
	"context"
	"fmt"
	"net"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/udp"
)

// One question and its answer.
func Example() {
	endpoint, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		b := make([]byte, 100)
		if n, from, err := endpoint.ReadFrom(b); err == nil {
			endpoint.WriteTo(fmt.Appendf(nil, "you said %q", b[:n]), from)
		}
	}()

	balancer, err := lb.New(lb.Options{
		Endpoints: []balance.Endpoint{{Addr: endpoint.LocalAddr().String()}},
	})
	if err != nil {
		panic(err)
	}
	l := udp.New(udp.Options{Name: "example", Addr: "127.0.0.1:0"})
	if err := l.Listen(); err != nil {
		panic(err)
	}
	l.SetService(&proxy.Service{Name: "talker", Balancer: balancer, Stats: new(proxy.Stats)})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- l.Serve(ctx) }()

	client, err := net.Dial("udp", l.LocalAddr().String())
	if err != nil {
		panic(err)
	}
	fmt.Fprint(client, "hello")
	b := make([]byte, 100)
	n, err := client.Read(b)
	fmt.Printf("%s, %v\n", b[:n], err)
	fmt.Println(l.Active(), "session")

	client.Close()
	endpoint.Close()
	stop()
	fmt.Println(<-served)
	// Output:
	// you said "hello", <nil>
	// 1 session
	// <nil>
}
