package http_test

import "github.com/spillway-lb/spillway/lb"

func init() {
	faults["no connection: silence"] = fault{at: silentPort,
		options: []option{connectWithin(soon)}, want: lb.ConnectFailure, reason: "connection_timeout"}
}
