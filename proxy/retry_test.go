package proxy_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// withActive returns a service that has n requests.
func withActive(t *testing.T, n int) *proxy.Service {
	t.Helper()
	b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{Addr: "127.0.0.1:1"}, {Addr: "127.0.0.1:2"}}})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := b.Pick(context.Background(), lb.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	return &proxy.Service{Name: "web", Balancer: b, Stats: new(proxy.Stats)}
}

func TestRetryBudgetIsAFifthOfWhatIsActiveAndAtLeastThree(t *testing.T) {
	for active, want := range map[int]int{0: 3, 1: 3, 15: 3, 19: 3, 20: 4, 24: 4, 100: 20} {
		s := withActive(t, active)
		got := 0
		for s.TakeRetry() {
			got++
		}
		if got != want {
			t.Errorf("%d active requests have %d retries, want %d", active, got, want)
		}
		if n := s.Stats.RetriesOverBudget.Load(); n != 1 {
			t.Errorf("%d were counted as over the budget, want 1", n)
		}
		s.EndRetry()
		if !s.TakeRetry() {
			t.Error("what was given back cannot be taken")
		}
	}
}

func TestRetryBudgetIsNeverOvershot(t *testing.T) {
	const active, most, takers, rounds = 40, 8, 16, 5000
	s := withActive(t, active)
	var underWay, taken, refused atomic.Int64
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for range rounds {
				if !s.TakeRetry() {
					refused.Add(1)
					continue
				}
				if n := underWay.Add(1); n > most {
					t.Errorf("%d retries at once, want at most %d", n, most)
				}
				taken.Add(1)
				underWay.Add(-1)
				s.EndRetry()
			}
		})
	}
	wg.Wait()
	if taken.Load()+refused.Load() != takers*rounds || uint64(refused.Load()) != s.Stats.RetriesOverBudget.Load() {
		t.Errorf("%d taken, %d refused, %d counted as refused", taken.Load(), refused.Load(), s.Stats.RetriesOverBudget.Load())
	}
	for range most { // nothing was lost
		if !s.TakeRetry() {
			t.Fatal("the budget has shrunk")
		}
	}
	if s.TakeRetry() {
		t.Error("the budget has grown")
	}
}

func TestRetryConditionsAreKnownByTheirNames(t *testing.T) {
	on, err := proxy.ParseRetryOn([]string{"5xx", "connect-failure"})
	if want := proxy.Retry5xx | proxy.RetryConnectFailure; on != want || err != nil {
		t.Errorf("got %b, %v, want %b", on, err, want)
	}
	if _, err := proxy.ParseRetryOn([]string{"5xx", "cancelled"}); err == nil {
		t.Error("a status of gRPC is taken for a condition of HTTP")
	}
}
