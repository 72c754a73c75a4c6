package config_test

import (
	"fmt"
	"os"

	"github.com/spillway-lb/spillway/config"
)

// Every problem of a file is reported at once, with its line.
func Example() {
	_, err := config.Parse("spillway.toml", []byte(`
[[listener]]
listen  = ":8080"
service = "wbe"

[[service]]
name      = "web"
endpoints = ["10.0.0.1:80", "10.0.0.2"]
timeout   = 30
locality_lb_polcy = "MAGLEV"
`))
	fmt.Println(err)
	// Output:
	// spillway.toml:4: listener.service: no service is named "wbe"; did you mean "web"?
	// spillway.toml:8: service.endpoints: "10.0.0.2" has no port: write host:port
	// spillway.toml:9: service.timeout: must have a unit, in quotes: "30s" is 30 seconds
	// spillway.toml:10: service.locality_lb_polcy: unknown key; did you mean locality_lb_policy?
}

func ExampleConfig_Print() {
	c, err := config.FromFlags(":8080", []string{"10.0.0.1:80", "10.0.0.2:80"}, "maglev")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Print(os.Stdout)
	// Output:
	// [log]
	// level = "info"
	// format = "text"
	// access = "off"
	//
	// [proxy]
	// drain_timeout = "30s"
	// engine = "loop"
	// loops = 0
	// hash_seed = 0
	//
	// [[listener]]
	// name = ":8080"
	// listen = ":8080"
	// protocol = "HTTP"
	// service = "default"
	// client_timeout = "1m"
	// keepalive_timeout = "10m10s"
	// max_header_bytes = 65536
	// max_connections = 0
	// transparent = false
	//
	// [[service]]
	// name = "default"
	// endpoints = [
	//   "10.0.0.1:80",
	//   "10.0.0.2:80",
	// ]
	// protocol = "HTTP"
	// locality_lb_policy = "MAGLEV"
	// session_affinity = "NONE"
	// timeout = "30s"
	// connect_timeout = "5s"
	// keepalive_timeout = "10m"
	// panic = "closed"
	// panic_threshold = 0
	//
	// [service.consistent_hash]
	// maglev_table_size = 65537
	//
	// [service.connection_draining]
	// draining_timeout = "5m"
}
