package http_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func Example() {
	endpoint := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}))
	defer endpoint.Close()

	balancer, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{Addr: endpoint.Listener.Addr().String()}}})
	if err != nil {
		panic(err)
	}
	service := &proxy.Service{Name: "web", Balancer: balancer, Stats: new(proxy.Stats)}
	log := slog.New(slog.DiscardHandler)
	engine := proxyhttp.New(proxyhttp.Options{Pools: new(proxyhttp.Pools), Log: log})
	engine.SetSettings(&proxyhttp.Settings{Routes: proxy.NewRoutes(nil, service)})

	listener := &proxy.Listener{Addr: "127.0.0.1:0", Engine: engine, Log: log}
	if err := listener.Listen(); err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- listener.Serve(ctx) }()

	resp, err := nethttp.Get("http://" + listener.LocalAddr().String() + "/hello")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(resp.StatusCode, string(body))
	nethttp.DefaultClient.CloseIdleConnections()
	stop()
	<-done
	// Output: 200 /hello for 127.0.0.1
}
