package http_test

import (
	nethttp "net/http"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// Each way a lease can end is told from the others, and a client that leaves never
// counts against an endpoint.
func TestOutcomesTellFailuresApart(t *testing.T) { eachDriver(t, tellsFailuresApart) }

func tellsFailuresApart(t *testing.T, d driver) {
	status := func(code int) func(t *testing.T) string {
		return func(t *testing.T) string {
			return endpoint(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(code) })
		}
	}
	silent := func(t *testing.T) string {
		return endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { <-r.Context().Done() })
	}
	quickly := withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond })
	for name, tc := range map[string]struct {
		to      func(t *testing.T) string
		options []option
		leaves  bool
		want    balance.Streaks
		reason  string
		neutral uint64
	}{
		"200":               {to: status(200)},
		"404":               {to: status(404)},
		"500":               {to: status(500), want: balance.Streaks{Errors: 1}, reason: "status 500"},
		"501":               {to: status(501), want: balance.Streaks{Errors: 1}, reason: "status 501"},
		"502":               {to: status(502), want: balance.Streaks{Errors: 1, Gateways: 1}, reason: "status 502"},
		"503":               {to: status(503), want: balance.Streaks{Errors: 1, Gateways: 1}, reason: "status 503"},
		"504":               {to: status(504), want: balance.Streaks{Errors: 1, Gateways: 1}, reason: "status 504"},
		"refused":           {to: closedPort, want: balance.Streaks{Errors: 1, Gateways: 1, Connects: 1}, reason: "connection_refused"},
		"silence":           {to: silent, options: []option{quickly}, want: balance.Streaks{Errors: 1, Gateways: 1}, reason: "http_response_timeout"},
		"the client leaves": {to: silent, leaves: true, neutral: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := d.start(t, []string{tc.to(t)}, tc.options...)
			c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			load := b.balancer.Snapshot().Candidates[0].Load
			if tc.leaves {
				testkit.Eventually(t, func() bool { return load.Active() == 1 })
				c.Close()
			}
			testkit.Eventually(t, func() bool { return load.Finished() == 1 })
			_, _, reason := load.Faults()
			if load.Streaks() != tc.want || reason != tc.reason || load.Neutrals() != tc.neutral {
				t.Errorf("%+v for %q, neutral %d; want %+v for %q, %d", load.Streaks(), reason, load.Neutrals(), tc.want, tc.reason, tc.neutral)
			}
		})
	}
}
