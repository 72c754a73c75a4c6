// Command dial puts a balancer with health checks under a net/http client, kills
// an endpoint, and checks that no request fails once that was noticed.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func main() {
	var endpoints []balance.Endpoint
	var servers []*httptest.Server
	for i := range 3 {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		servers = append(servers, s)
		endpoints = append(endpoints, balance.Endpoint{ID: fmt.Sprint(i), Addr: s.Listener.Addr().String()})
	}
	b, err := lb.New(lb.Options{Name: "mine", Endpoints: endpoints, HealthCheck: &health.Check{
		Type: health.TypeTCP, CheckInterval: 50 * time.Millisecond, Timeout: 50 * time.Millisecond,
	}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	wait(b.Checked)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer(b)}}
	ask(client, 100)
	servers[1].Close()
	wait(func() bool { return b.Status().Groups[0].Endpoints[1].Health == health.Unhealthy })
	ask(client, 200)

	for _, e := range b.Status().Groups[0].Endpoints {
		fmt.Println(e.ID, e.Health, e.Requests, e.Reason)
	}
	stop()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}

// dialer returns a DialContext that asks b where to go.
func dialer(b *lb.Balancer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		lease, err := b.Pick(ctx, lb.Request{})
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, lease.Endpoint.Addr)
		if err != nil {
			lease.Done(lb.Failure)
			return nil, err
		}
		lease.Done(lb.Success)
		return conn, nil
	}
}

func ask(client *http.Client, n int) {
	for range n {
		resp, err := client.Get("http://service.internal/")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
}

func wait(cond func() bool) {
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			log.Fatal("nothing happened in ten seconds")
		}
	}
}
