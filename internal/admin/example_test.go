package admin_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

func Example() {
	web, err := lb.New(lb.Options{Name: "web", Endpoints: []balance.Endpoint{{ID: "a", Addr: "10.0.0.1:80"}, {ID: "b", Addr: "10.0.0.2:80"}}})
	if err != nil {
		log.Fatal(err)
	}
	server := admin.NewServer(admin.Options{
		Services: func() []admin.Service { return []admin.Service{{Policy: "ROUND_ROBIN", Status: web.Status()}} },
		SetAdmin: func(_, endpoint string, a lb.Admin) error { return web.SetAdmin(endpoint, a) },
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, l) }()

	client := admin.NewClient(l.Addr().String(), "")
	defer client.Close()
	if _, err := client.SetAdmin(ctx, "web", "b", "DRAIN"); err != nil {
		log.Fatal(err)
	}
	service, err := client.Service(ctx, "web")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range service.Groups[0].Endpoints {
		fmt.Println(e.ID, e.Health, e.Admin, e.ShareExpected)
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// a HEALTHY READY 1
	// b HEALTHY DRAIN 0
	// <nil>
}
