package http_test

import (
	"time"

	"github.com/spillway-lb/spillway/lb"
)

func init() {
	faults["no connection: silence"] = fault{at: silentPort,
		options: []option{connectWithin(50 * time.Millisecond)}, want: lb.ConnectFailure, reason: "connection_timeout"}
}
