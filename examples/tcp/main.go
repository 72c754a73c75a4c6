// Tcp is a TCP proxy in one screen: a listener, an engine, a service. Three
// endpoints that say their name and close stand behind it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

func main() {
	b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{greeter("a"), greeter("b"), greeter("c")}})
	if err != nil {
		log.Fatal(err)
	}
	engine := tcp.New(tcp.Options{Listener: "greetings"})
	engine.SetService(&proxy.Service{
		Name:           "greeters",
		Balancer:       b,
		Stats:          new(proxy.Stats),
		ConnectTimeout: time.Second,
	})
	l := proxy.Listener{Name: "greetings", Addr: "127.0.0.1:0", Engine: engine, DrainTimeout: time.Second, Log: slog.Default()}
	if err := l.Listen(); err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- l.Serve(ctx) }()

	greetings := map[string]int{}
	for range 9 {
		conn, err := net.Dial("tcp", l.LocalAddr().String())
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(conn)
		if err != nil {
			log.Fatal(err)
		}
		greetings[string(text)]++
		conn.Close()
	}
	stop()
	if err := <-served; err != nil { // every connection is gone
		log.Fatal(err)
	}
	fmt.Println(greetings)
}

// greeter starts an endpoint. It lives as long as the program.
func greeter(name string) balance.Endpoint {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			fmt.Fprintf(conn, "hello from %s", name)
			conn.Close()
		}
	}()
	return balance.Endpoint{ID: name, Addr: l.Addr().String()}
}
