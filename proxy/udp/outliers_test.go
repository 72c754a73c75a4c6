package udp_test

import (
	"net/netip"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// TestWhatCountsAgainstAnEndpoint is spec.md §10.4 over sockets: a port that is
// unreachable is a connection that failed, and a few in a row make an outlier of its
// endpoint. Silence is no failure: an endpoint that says nothing may have nothing to say.
func TestWhatCountsAgainstAnEndpoint(t *testing.T) {
	onBoth(t, func(t *testing.T, loops bool) {
		t.Run("port unreachable", func(t *testing.T) {
			bad := refusing(t)
			b := judged(t, loops, bad, mirror(t))
			testkit.Eventually(t, func() bool { // each client asks until somebody answers
				b.dial("").askUntil("x")
				return b.statusOf(bad).Ejection.Ejected
			})
			e := b.statusOf(bad)
			if want := (lb.TrafficStatus{ConnectFailures: e.Failures, Reason: "connection_refused"}); e.Traffic != want || e.Failures < inARow {
				t.Errorf("%d failures, %+v; want %+v", e.Failures, e.Traffic, want)
			}
			if e.Ejection.Reason != "CONSECUTIVE_GATEWAY_FAILURE" {
				t.Errorf("ejected by %q", e.Ejection.Reason)
			}
		})
		t.Run("silence", func(t *testing.T) {
			nothing := func(netip.AddrPort, []byte) []byte { return nil }
			silent, _ := endpoint(t, "127.0.0.1:0", nothing)
			other, _ := endpoint(t, "127.0.0.1:0", nothing)
			b := judged(t, loops, silent, other)
			for range 8 {
				b.dial("").send("x")
			}
			testkit.Eventually(t, func() bool { return b.statusOf(silent).Active >= inARow && b.Active() == 8 })
			b.records() // ends all sessions
			e := b.statusOf(silent)
			if e.Failures != 0 || e.Traffic != (lb.TrafficStatus{}) || e.Ejection.Ejected || e.Active != 0 {
				t.Errorf("%d failures, %+v, ejected %v", e.Failures, e.Traffic, e.Ejection.Ejected)
			}
		})
	})
}

// inARow is how many failures make an outlier.
const inARow = 2

func judged(t *testing.T, loops bool, addrs ...string) *bench {
	t.Helper()
	b := setup{loops: loops, endpoints: addrs}.start(t)
	o := lb.Options{Outlier: &health.Outlier{
		ConsecutiveErrors: inARow, EnforcingConsecutiveErrors: 100, ConsecutiveGatewayFailure: inARow,
	}}
	for _, a := range addrs {
		o.Endpoints = append(o.Endpoints, balance.Endpoint{Addr: a})
	}
	must(t, b.service.Balancer.SetOptions(o))
	return b
}

func (b *bench) statusOf(addr string) lb.EndpointStatus {
	b.Helper()
	for _, e := range b.service.Balancer.Status().Groups[0].Endpoints {
		if e.Addr == addr {
			return e
		}
	}
	b.Fatalf("no status of %s", addr)
	return lb.EndpointStatus{}
}
