package proxy_test

import (
	"fmt"

	"github.com/spillway-lb/spillway/proxy"
)

func ExampleRoutes() {
	routes := proxy.NewRoutes([]proxy.Route{
		{Host: "api.example.com", PathPrefix: "/v1/", Service: &proxy.Service{Name: "api"}},
	}, &proxy.Service{Name: "web"})

	for _, target := range []string{"/v1/users", "/v1/../index.html"} {
		r := routes.Match([]byte("api.example.com:443"), []byte(target))
		fmt.Println(target, "goes to", r.Service.Name)
	}
	// Output:
	// /v1/users goes to api
	// /v1/../index.html goes to web
}
