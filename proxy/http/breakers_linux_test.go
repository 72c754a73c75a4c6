package http_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// TestCircuitBreakersConnectTimeout is the last row of the table in spec.md §10.3.
func TestCircuitBreakersConnectTimeout(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		sideBySide(t, d, []promise{{"connectTimeout", connectTimeoutIsAConnectFailure}})
	})
}

func connectTimeoutIsAConnectFailure(t *testing.T, d driver) {
	silent := silentPort(t)
	b := d.start(t, []string{silent}, withService(func(s *proxy.Service) { s.ConnectTimeout = 50 * time.Millisecond }),
		breaking(0, lb.CircuitBreakers{MaxConnections: 1}, proxy.CircuitBreakers{}))
	for range 3 { // the place is given back each time
		if resp, _ := b.dial().send(get("")).response("GET"); resp.StatusCode != 504 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
	if n := b.service.Stats.Attempts[proxy.AttemptConnectFailure].Load(); n != 3 {
		t.Errorf("%d connect failures", n)
	}
	if n := b.service.Stats.Connections.Open(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}
