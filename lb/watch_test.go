package lb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// run runs b until the test ends.
func run(t *testing.T, b *lb.Balancer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
}

func TestReasonIsThatOfTheLastFailure(t *testing.T) {
	var code atomic.Int64
	code.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(code.Load()))
	}))
	defer server.Close()
	b := newBalancer(t, lb.Options{
		Endpoints: []balance.Endpoint{{ID: "a", Addr: server.Listener.Addr().String()}},
		HealthCheck: &health.Check{
			Type: health.TypeHTTP, CheckInterval: 20 * time.Millisecond, HealthyThreshold: 10, UnhealthyThreshold: 10,
		},
	})
	run(t, b)
	testkit.Eventually(t, func() bool { return status(t, b, "a").Health == health.Healthy })

	code.Store(http.StatusInternalServerError)
	testkit.Eventually(t, func() bool {
		e := status(t, b, "a")
		if e.Health == health.Healthy && e.Reason != "" {
			t.Errorf("it is healthy, and the reason why not is %q", e.Reason)
		}
		return isIll(e) && strings.Contains(e.Reason, "500")
	})
	version := b.Status().Version
	code.Store(http.StatusNotFound)
	testkit.Eventually(t, func() bool { return strings.Contains(status(t, b, "a").Reason, "404") })
	if got := b.Status().Version; got != version {
		t.Errorf("another reason changes nothing for picks, and made version %d of %d", got, version)
	}
}

// A changed check begins to count anew. Until it has counted far enough, what
// the old one found out is the best that is known.
func TestChangedCheckForgetsNoHealth(t *testing.T) {
	o := lb.Options{
		Endpoints:   []balance.Endpoint{{ID: "a", Addr: testkit.FreeAddr(t)}}, // nobody is there
		HealthCheck: &health.Check{CheckInterval: 10 * time.Millisecond, UnhealthyThreshold: 1},
	}
	b := newBalancer(t, o)
	run(t, b)
	testkit.Eventually(t, func() bool { return isIll(status(t, b, "a")) })

	o.HealthCheck = &health.Check{CheckInterval: 20 * time.Millisecond, UnhealthyThreshold: 10}
	must(t, b.SetOptions(o))
	failed := b.Status().ChecksFailed
	testkit.Eventually(t, func() bool {
		if e := status(t, b, "a"); !isIll(e) {
			t.Fatalf("got %v; it was ill before, and nothing says that it is not", e.Health)
		}
		return b.Status().ChecksFailed > failed+5
	})
}

// Counters are about the endpoint; the operator's word and health are about now.
func TestEndpointThatComesBackBeginsReady(t *testing.T) {
	for _, inUse := range []bool{false, true} {
		b := newBalancer(t, lb.Options{Endpoints: endpoints(2)})
		if inUse {
			defer pick(t, b, lb.Request{Sticky: "e0"}).Done(lb.Success)
		}
		must(t, b.SetAdmin("e0", lb.Drain))
		must(t, b.SetEndpoints(endpoints(2)[1:]))
		must(t, b.SetEndpoints(endpoints(2)))
		if got := status(t, b, "e0").Admin; got != lb.Ready {
			t.Errorf("in use %v: it was removed, so its drain is over; got %v", inUse, got)
		}
	}
}
