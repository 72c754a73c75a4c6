package lb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func breakers(c lb.CircuitBreakers, endpoints ...balance.Endpoint) lb.Options {
	return lb.Options{CircuitBreakers: &c, Endpoints: endpoints}
}

func one(id string, most int64) balance.Endpoint {
	return balance.Endpoint{ID: id, Addr: id + ":80", Max: most}
}

// refusedFor takes a lease in vain and checks which limit that was.
func refusedFor(t *testing.T, b *lb.Balancer, want lb.Limit) {
	t.Helper()
	l, err := b.Pick(context.Background(), lb.Request{})
	if err == nil {
		l.Done(lb.Neutral)
		t.Fatalf("a lease on %s; want a refusal for %v", l.Endpoint.ID, want)
	}
	if !errors.Is(err, lb.ErrSaturated) || lb.LimitOf(err) != want {
		t.Fatalf("refused with %v, for %v; want ErrSaturated for %v", err, lb.LimitOf(err), want)
	}
}

func TestALimitRefusesWhoIsTooMany(t *testing.T) {
	for _, test := range []struct {
		name string
		o    lb.Options
		most int
		want lb.Limit
	}{
		{"max_connections", breakers(lb.CircuitBreakers{MaxConnections: 3}, one("a", 0)), 3, lb.MaxConnections},
		{"max_requests", breakers(lb.CircuitBreakers{MaxRequests: 3}, one("a", 0)), 3, lb.MaxRequests},
		{"max_requests below max_connections", breakers(lb.CircuitBreakers{MaxRequests: 2, MaxConnections: 4}, one("a", 0)), 2, lb.MaxRequests},
		{"max_connections below max_requests", breakers(lb.CircuitBreakers{MaxRequests: 4, MaxConnections: 2}, one("a", 0)), 2, lb.MaxConnections},
		{"endpoints at their max", breakers(lb.CircuitBreakers{MaxRequests: 10}, one("a", 1), one("b", 2)), 3, lb.EndpointsAtMax},
		{"endpoints at their max, no breakers", lb.Options{Endpoints: []balance.Endpoint{one("a", 1), one("b", 2)}}, 3, lb.EndpointsAtMax},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBalancer(t, test.o)
			for range 3 { // what was given back can be had again
				leases := make([]lb.Lease, test.most)
				for i := range leases {
					leases[i] = pick(t, b, lb.Request{})
				}
				refusedFor(t, b, test.want)
				for _, l := range leases {
					l.Done(lb.Success)
				}
			}
		})
	}
}

func TestARefusalTakesNoPlace(t *testing.T) {
	b := newBalancer(t, breakers(lb.CircuitBreakers{MaxRequests: 5}, one("a", 1)))
	held := pick(t, b, lb.Request{})
	for range 20 {
		refusedFor(t, b, lb.EndpointsAtMax)
	}
	if n := b.Queue().Active; n != 1 {
		t.Errorf("%d places are taken, by 1 lease", n)
	}
	held.Done(lb.Success)
	if n := b.Queue().Active; n != 0 {
		t.Errorf("%d places are taken, by nobody", n)
	}
}

func TestAnotherTryKeepsThePlaceOfTheFirst(t *testing.T) {
	b := newBalancer(t, breakers(lb.CircuitBreakers{MaxRequests: 1}, one("a", 0), one("b", 0)))
	first := pick(t, b, lb.Request{})
	refusedFor(t, b, lb.MaxRequests)
	second, err := b.PickAgain(context.Background(), lb.Request{Avoid: []*balance.Endpoint{first.Endpoint}}, &first)
	if err != nil {
		t.Fatal(err)
	}
	first.Done(lb.Failure)
	if n := b.Queue().Active; n != 1 {
		t.Errorf("%d places are taken by the second try, want 1", n)
	}
	refusedFor(t, b, lb.MaxRequests)
	second.Done(lb.Success)
	if n := b.Queue().Active; n != 0 {
		t.Errorf("%d places are taken by nobody", n)
	}
}

func TestNewLimitsCountWhoIsThere(t *testing.T) {
	o := breakers(lb.CircuitBreakers{MaxRequests: 2}, one("a", 0))
	b := newBalancer(t, o)
	held := []lb.Lease{pick(t, b, lb.Request{}), pick(t, b, lb.Request{})}
	set := func(c *lb.CircuitBreakers) {
		t.Helper()
		o.CircuitBreakers = c
		if err := b.SetOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	set(&lb.CircuitBreakers{MaxRequests: 3})
	held = append(held, pick(t, b, lb.Request{}))
	refusedFor(t, b, lb.MaxRequests)
	set(&lb.CircuitBreakers{MaxConnections: 1})
	refusedFor(t, b, lb.MaxConnections)
	set(nil)
	held = append(held, pick(t, b, lb.Request{}))
	if b.Queue() != nil {
		t.Error("a service without circuit breakers has a queue")
	}
	for _, l := range held {
		l.Done(lb.Success)
	}
}

func TestOptionsRefuseLimitsBelowNothing(t *testing.T) {
	for name, c := range map[string]lb.CircuitBreakers{
		"max_connections":      {MaxConnections: -1},
		"max_requests":         {MaxRequests: -1},
		"max_pending_requests": {MaxPendingRequests: -1},
		"pending_timeout":      {PendingTimeout: -1},
	} {
		if breakers(c, one("a", 0)).Validate() == nil {
			t.Errorf("%s of -1 is accepted", name)
		}
	}
}

// No limit is ever exceeded, whoever else takes and gives back: with waiting and
// without, in 64 goroutines.
func TestLimitsAreNeverOvershot(t *testing.T) {
	const most, perEndpoint, each = 7, 3, 200
	for name, o := range map[string]lb.Options{
		"max_connections":        breakers(lb.CircuitBreakers{MaxConnections: most}, one("a", 0), one("b", 0)),
		"max_requests":           breakers(lb.CircuitBreakers{MaxRequests: most}, one("a", 0), one("b", 0)),
		"endpoints at their max": breakers(lb.CircuitBreakers{}, one("a", perEndpoint), one("b", perEndpoint), one("c", 1)),
		"both":                   breakers(lb.CircuitBreakers{MaxConnections: most, MaxPendingRequests: 5}, one("a", perEndpoint), one("b", perEndpoint), one("c", perEndpoint)),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBalancer(t, o)
			var active, served, refused atomic.Int64
			var of sync.Map
			work := func(l lb.Lease) {
				n, _ := of.LoadOrStore(l.Endpoint.ID, new(atomic.Int64))
				if here := n.(*atomic.Int64).Add(1); l.Endpoint.Max > 0 && here > l.Endpoint.Max {
					t.Errorf("%d leases on %s, whose max is %d", here, l.Endpoint.ID, l.Endpoint.Max)
				}
				if all := active.Add(1); all > most {
					t.Errorf("%d leases at once, want at most %d", all, most)
				}
				served.Add(1)
				active.Add(-1)
				n.(*atomic.Int64).Add(-1)
				l.Done(lb.Success)
			}
			var all sync.WaitGroup
			for i := range 64 {
				all.Go(func() {
					for j := range each {
						take := b.Wait
						if (i+j)%8 == 0 {
							take = b.Pick
						}
						l, err := take(context.Background(), lb.Request{})
						switch {
						case err == nil:
							work(l)
						case errors.Is(err, lb.ErrSaturated):
							refused.Add(1)
						default:
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if got := served.Load() + refused.Load(); got != 64*each || served.Load() == 0 {
				t.Errorf("%d served and %d refused, of %d", served.Load(), refused.Load(), 64*each)
			}
			if q := b.Queue(); q.Active != 0 || q.Queued != 0 {
				t.Errorf("at the end %d hold a place and %d wait", q.Active, q.Queued)
			}
		})
	}
}
