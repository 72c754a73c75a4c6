package lb_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A line is waiters with names, and who of them was served, in order.
type line struct {
	t       *testing.T
	b       *lb.Balancer
	waiters map[string]*lb.Waiter
	served  []string
	leases  []lb.Lease
	refused map[string]error
}

func newLine(t *testing.T, b *lb.Balancer) *line {
	return &line{t: t, b: b, waiters: make(map[string]*lb.Waiter), refused: make(map[string]error)}
}

// join puts one with this name into the line. It must not be served at once.
func (l *line) join(name string) {
	l.t.Helper()
	w, err := l.b.Enqueue(lb.Request{}, time.Time{}, func() { l.woken(name) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.waiters[name] = w
}

func (l *line) woken(name string) {
	lease, err := l.waiters[name].Leave()
	if err != nil {
		l.refused[name] = err
		return
	}
	l.served = append(l.served, name)
	l.leases = append(l.leases, lease)
}

// next ends the lease that was given last, so that somebody is served with its place.
func (l *line) next() {
	last := l.leases[len(l.leases)-1]
	l.leases = l.leases[:len(l.leases)-1]
	last.Done(lb.Success)
}

// fullLine is a line behind one lease, the only one that can be had.
func fullLine(t *testing.T, c lb.CircuitBreakers, endpoints ...balance.Endpoint) *line {
	if endpoints == nil {
		endpoints = []balance.Endpoint{one("a", 1)}
	}
	l := newLine(t, newBalancer(t, breakers(c, endpoints...)))
	for range endpoints {
		l.leases = append(l.leases, pick(t, l.b, lb.Request{}))
	}
	return l
}

func (l *line) want(served ...string) {
	l.t.Helper()
	if !slices.Equal(l.served, served) {
		l.t.Errorf("served in the order %q, want %q", l.served, served)
	}
}

func TestFirstComeIsFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{})
		for i := range 5 {
			l.join(strconv.Itoa(i))
			time.Sleep(10 * time.Millisecond)
		}
		for range 5 {
			l.next()
		}
		l.want("0", "1", "2", "3", "4")
	})
}

func TestUnderOverloadTheNewestIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{})
		for i := range 4 {
			l.join(strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
		}
		l.next()
		if l.b.Queue().Overloaded {
			t.Error("overloaded after 400 ms, of 5 s that one may wait")
		}
		time.Sleep(100 * time.Millisecond)
		if !l.b.Queue().Overloaded {
			t.Error("not overloaded although the queue has not been empty for 500 ms")
		}
		l.next()
		l.join("4")
		for range 3 {
			l.next()
		}
		l.want("0", "3", "4", "2", "1")

		l.join("5") // the line was empty: in order again
		l.join("6")
		l.next()
		l.next()
		l.want("0", "3", "4", "2", "1", "5", "6")
	})
}

func TestTheImpatientAreOverloadedSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for patience, after := range map[time.Duration]time.Duration{
			2 * time.Second:        200 * time.Millisecond,
			200 * time.Millisecond: 100 * time.Millisecond,
		} {
			l := fullLine(t, lb.CircuitBreakers{PendingTimeout: patience})
			l.join("0")
			time.Sleep(after - time.Millisecond)
			if l.b.Queue().Overloaded {
				t.Errorf("with a patience of %v overloaded before %v", patience, after)
			}
			time.Sleep(time.Millisecond)
			if !l.b.Queue().Overloaded {
				t.Errorf("with a patience of %v not overloaded after %v", patience, after)
			}
			l.next()
			l.want("0")
		}
	})
}

func TestWhoWaitsGoesBeforeWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBalancer(t, breakers(lb.CircuitBreakers{MaxRequests: 10}, one("a", 1)))
		l := newLine(t, b)
		l.leases = append(l.leases, pick(t, b, lb.Request{}))
		l.join("waiting")
		refusedFor(t, b, lb.EndpointsAtMax)
		if n := b.Queue().Active; n != 1 {
			t.Errorf("%d places taken by one lease", n)
		}
		l.next()
		l.want("waiting")
	})
}

func TestAPlaceInTheBreakersIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{MaxConnections: 1}, one("a", 0))
		l.join("1")
		l.next()
		l.want("1")
	})
}

func TestAWaitEndsAtItsDeadline(t *testing.T) {
	for _, test := range []struct {
		name             string
		timeout, by, end time.Duration
	}{
		{"the default", 0, 0, lb.DefaultPendingTimeout},
		{"pending_timeout", time.Second, 0, time.Second},
		{"the caller's own", time.Second, 300 * time.Millisecond, 300 * time.Millisecond},
		{"the caller's, which is later", time.Second, 3 * time.Second, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := fullLine(t, lb.CircuitBreakers{PendingTimeout: test.timeout})
				by := time.Time{}
				if test.by > 0 {
					by = time.Now().Add(test.by)
				}
				start, over := time.Now(), make(chan struct{})
				w, err := l.b.Enqueue(lb.Request{}, by, func() { close(over) })
				if err != nil {
					t.Fatal(err)
				}
				<-over
				if took := time.Since(start); took != test.end {
					t.Errorf("waited for %v, want %v", took, test.end)
				}
				if _, err := w.Leave(); !errors.Is(err, lb.ErrSaturated) || lb.LimitOf(err) != lb.PendingTimeout {
					t.Errorf("the wait came to %v", err)
				}
				if n := l.b.Queue().Queued; n != 0 {
					t.Errorf("%d still wait", n)
				}
			})
		})
	}
}

func TestTheLineHasSoManyPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{MaxPendingRequests: 2})
		l.join("0")
		l.join("1")
		_, err := l.b.Enqueue(lb.Request{}, time.Time{}, func() { t.Error("woken") })
		if !errors.Is(err, lb.ErrSaturated) || lb.LimitOf(err) != lb.MaxPendingRequests {
			t.Errorf("a third one: %v", err)
		}
		l.next()
		l.join("2")
		if q := l.b.Queue(); q.Queued != 2 || q.QueuedTotal != 3 {
			t.Errorf("%d wait, of %d ever; want 2 of 3", q.Queued, q.QueuedTotal)
		}
		l.waiters["1"].Leave()
		l.waiters["2"].Leave()
	})
}

func TestWhoLeavesGivesUpHisPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{MaxPendingRequests: 2})
		l.join("0")
		l.join("1")
		if _, err := l.waiters["0"].Leave(); !errors.Is(err, lb.ErrSaturated) {
			t.Errorf("leaving early: %v", err)
		}
		l.join("2")
		l.next()
		l.next()
		l.want("1", "2")
	})
}

func TestNobodyWaitsWithoutCircuitBreakers(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: []balance.Endpoint{one("a", 1)}})
	held := pick(t, b, lb.Request{})
	if _, err := b.Wait(context.Background(), lb.Request{}); !errors.Is(err, lb.ErrSaturated) {
		t.Errorf("Wait: %v", err)
	}
	held.Done(lb.Success)
}

func TestNobodyWaitsForMaxRequests(t *testing.T) {
	b := newBalancer(t, breakers(lb.CircuitBreakers{MaxRequests: 1}, one("a", 0)))
	held := pick(t, b, lb.Request{})
	if _, err := b.Wait(context.Background(), lb.Request{}); lb.LimitOf(err) != lb.MaxRequests {
		t.Errorf("Wait: %v", err)
	}
	held.Done(lb.Success)
}

func TestNobodyWaitsWhereThereIsNobodyToWaitFor(t *testing.T) {
	b := newBalancer(t, breakers(lb.CircuitBreakers{}, one("a", 0)))
	if err := b.SetAdmin("a", lb.Down); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Wait(context.Background(), lb.Request{}); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("Wait: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := l.b.Wait(ctx, lb.Request{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		if n := l.b.Queue().Queued; n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestWhatChangesServesWhoWaits(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*lb.Balancer) error
		want   error
	}{
		"an endpoint comes": {func(b *lb.Balancer) error {
			return b.SetEndpoints([]balance.Endpoint{one("a", 1), one("b", 1)})
		}, nil},
		"an endpoint may take more": {func(b *lb.Balancer) error {
			return b.SetEndpoints([]balance.Endpoint{one("a", 2)})
		}, nil},
		"an endpoint recovers": {func(b *lb.Balancer) error { return b.SetHealth("ill", health.Healthy, "") }, nil},
		"the only one falls ill": {func(b *lb.Balancer) error {
			return b.SetHealth("a", health.Unhealthy, "it is dead")
		}, lb.ErrNoEndpoint},
		"a larger limit": {func(b *lb.Balancer) error {
			return b.SetOptions(breakers(lb.CircuitBreakers{MaxConnections: 9}, one("a", 9)))
		}, nil},
		"no circuit breakers any more": {func(b *lb.Balancer) error {
			return b.SetOptions(lb.Options{Endpoints: []balance.Endpoint{one("a", 1)}})
		}, lb.ErrSaturated},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, newBalancer(t, breakers(lb.CircuitBreakers{}, one("a", 1), one("ill", 1))))
				if err := l.b.SetHealth("ill", health.Unhealthy, "for now"); err != nil {
					t.Fatal(err)
				}
				l.leases = append(l.leases, pick(t, l.b, lb.Request{}))
				l.join("0")
				if err := test.change(l.b); err != nil {
					t.Fatal(err)
				}
				if err := l.refused["0"]; !errors.Is(err, test.want) || test.want == nil && len(l.served) != 1 {
					t.Errorf("served %q, refused with %v; want %v", l.served, err, test.want)
				}
			})
		})
	}
}

func TestWhoWaitsIsToldThatTheBalancerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fullLine(t, lb.CircuitBreakers{})
		ctx, cancel := context.WithCancel(t.Context())
		go l.b.Run(ctx)
		synctest.Wait()
		l.join("0")
		cancel()
		synctest.Wait()
		if err := l.refused["0"]; !errors.Is(err, lb.ErrClosed) {
			t.Errorf("who waited was told %v", err)
		}
	})
}

// Each client of an exact policy wants an endpoint of its own: one that waits for a
// full one keeps nobody from another.
func TestWhoWantsOneEndpointDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBalancer(t, breakers(lb.CircuitBreakers{}, one("a", 1), one("b", 1)))
		a := pick(t, b, lb.Request{})
		other := pick(t, b, lb.Request{})
		notOf := func(l lb.Lease) lb.Request { return lb.Request{Avoid: []*balance.Endpoint{l.Endpoint}} }
		var order []string
		var waiters [2]*lb.Waiter
		for i, r := range []lb.Request{notOf(a), notOf(other)} { // the first wants the other, the second a
			w, err := b.Enqueue(r, time.Time{}, func() {
				l, err := waiters[i].Leave()
				if err == nil {
					order = append(order, l.Endpoint.ID)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			waiters[i] = w
		}
		a.Done(lb.Success)
		other.Done(lb.Success)
		if want := []string{a.Endpoint.ID, other.Endpoint.ID}; !slices.Equal(order, want) {
			t.Errorf("served with %q, want %q", order, want)
		}
	})
}

// However many wait for one endpoint, they keep nobody from another.
func TestManyWhoWantOneEndpointHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBalancer(t, breakers(lb.CircuitBreakers{PendingTimeout: time.Second}, one("a", 1), one("b", 1)))
		first, second := pick(t, b, lb.Request{}), pick(t, b, lb.Request{})
		strict := lb.Request{Sticky: first.Endpoint.ID, Strict: true}
		var expired atomic.Int64 // several waits may end at the same moment
		for range 40 {
			if _, err := b.Enqueue(strict, time.Time{}, func() { expired.Add(1) }); err != nil {
				t.Fatal(err)
			}
		}
		l := newLine(t, b)
		l.join("who would take anybody")
		second.Done(lb.Success)
		l.want("who would take anybody")
		l.leases[0].Done(lb.Success)
		third := pick(t, b, lb.Request{})
		if third.Endpoint.ID != second.Endpoint.ID {
			t.Errorf("got %s, which is full", third.Endpoint.ID)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := b.Queue().Queued; n != 0 || expired.Load() != 40 {
			t.Errorf("%d still wait, and %d waited in vain", n, expired.Load())
		}
		first.Done(lb.Success)
		third.Done(lb.Success)
	})
}

// Nor do they keep those waiting who want another one alone.
func TestManyWhoWantOneEndpointKeepNobodyFromAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBalancer(t, breakers(lb.CircuitBreakers{}, one("a", 1), one("b", 1)))
		first, second := pick(t, b, lb.Request{}), pick(t, b, lb.Request{})
		for range 40 {
			if _, err := b.Enqueue(lb.Request{Sticky: first.Endpoint.ID, Strict: true}, time.Time{}, func() {}); err != nil {
				t.Fatal(err)
			}
		}
		served := false
		w, err := b.Enqueue(lb.Request{Sticky: second.Endpoint.ID, Strict: true}, time.Time{}, func() { served = true })
		if err != nil {
			t.Fatal(err)
		}
		second.Done(lb.Success)
		if !served {
			t.Fatal("its endpoint is free, and it still waits")
		}
		if l, err := w.Leave(); err != nil || l.Endpoint.ID != second.Endpoint.ID {
			t.Errorf("%v, %v", l, err)
		}
	})
}
