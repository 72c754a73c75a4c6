package http_test

import (
	"fmt"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// TestCircuitBreakers has a test for each row of the table in spec.md §10.3, named
// after it, and what else there is to say about waiting.
func TestCircuitBreakers(t *testing.T) {
	promises := []promise{
		{"maxConnections", maxConnections},
		{"maxPendingRequests", maxPendingRequests},
		{"maxRequests", maxRequests},
		{"maxRequestsPerConnection", maxRequestsPerConnection},
		{"maxRequestsPerConnection of 1", maxRequestsPerConnectionOfOne},
		{"maxRetries", maxRetriesAtOnce},
		{"maxRetries counts those without a rule", maxRetriesCountsThoseWithoutARule},
		{"who waits too long is told to come back", whoWaitsTooLongIsToldToComeBack},
		{"who leaves while waiting gives up the place", whoLeavesWhileWaitingGivesUpThePlace},
		{"a wait for a connection's place is no part of connecting", waitForAPlaceIsNoPartOfConnecting},
		{"who gets no connection's place is told to come back", whoGetsNoPlaceIsToldToComeBack},
		{"who leaves while waiting for a connection's place gives the lease back", whoLeavesWithoutAPlaceGivesTheLeaseBack},
		{"a reload serves who waits", reloadServesWhoWaits},
		{"an endpoint that dies takes no one with it who waits", endpointThatDiesWhileOthersWait},
		{"a retry keeps the place of the request", retryKeepsThePlaceOfTheRequest},
		{"an abort ends who waits", abortEndsWhoWaits},
	}
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) { sideBySide(t, d, promises) })
}

// breaking gives the service circuit breakers, and each endpoint a max.
func breaking(most int64, limits lb.CircuitBreakers, engines proxy.CircuitBreakers) option {
	return func(b *bench) {
		b.service.CircuitBreakers = engines
		b.setLimits(most, &limits)
	}
}

func (b *bench) setLimits(most int64, limits *lb.CircuitBreakers) {
	b.t.Helper()
	o := lb.Options{Name: "web", CircuitBreakers: limits}
	for _, c := range b.balancer.Snapshot().Candidates {
		e := *c.Endpoint
		e.Max = most
		o.Endpoints = append(o.Endpoints, e)
	}
	if err := b.balancer.SetOptions(o); err != nil {
		b.t.Fatal(err)
	}
}

// queued waits until so many requests wait.
func (b *bench) queued(n int64) {
	b.t.Helper()
	testkit.Eventually(b.t, func() bool { return b.balancer.Queue().Queued == n })
}

// A gate is an endpoint that holds requests until it is told to answer them.
type gate struct {
	addr        string
	come        chan struct{} // one for each request
	answer      chan struct{} // one lets one be answered
	conns       atomic.Int64  // that there are
	most        atomic.Int64  // that there were at once
	closed      atomic.Int64  // requests that said Connection: close
	busy, crowd atomic.Int64  // requests under way, and the most there were
	ever        atomic.Int64  // connections that ever were
}

func raise(most *atomic.Int64, n int64) {
	for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
	}
}

func newGate(t *testing.T) *gate {
	g := &gate{come: make(chan struct{}, 1000), answer: make(chan struct{}, 1000)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nethttp.Server{
		Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			raise(&g.crowd, g.busy.Add(1))
			defer g.busy.Add(-1)
			if r.Close {
				g.closed.Add(1)
			}
			g.come <- struct{}{}
			select {
			case <-g.answer:
			case <-r.Context().Done():
			}
			fmt.Fprint(w, "ok")
		}),
		ConnState: func(_ net.Conn, s nethttp.ConnState) {
			switch s {
			case nethttp.StateNew:
				g.ever.Add(1)
				raise(&g.most, g.conns.Add(1))
			case nethttp.StateClosed, nethttp.StateHijacked:
				g.conns.Add(-1)
			}
		},
	}
	g.addr = l.Addr().String()
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return g
}

// wantTurnedAway reads a response that says that there is no room now, for this reason.
func wantTurnedAway(t *testing.T, c *rawClient, limit string) {
	t.Helper()
	resp, _ := c.response("GET")
	status := `spillway; error=connection_limit_reached`
	if limit != "" {
		status += `; details="` + limit + `"`
	}
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("Proxy-Status") != status {
		t.Errorf("got %d with Retry-After %q and Proxy-Status %q, want 503, 1 and %q",
			resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("Proxy-Status"), status)
	}
	if resp.Close {
		t.Error("the connection is not kept")
	}
}

func wantOK(t *testing.T, c *rawClient) {
	t.Helper()
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q, want 200", resp.StatusCode, body)
	}
}

// Beyond the limit a request waits until a connection is free.
func maxConnections(t *testing.T, d driver) {
	a, z := newGate(t), newGate(t)
	b := d.start(t, []string{a.addr, z.addr}, breaking(0, lb.CircuitBreakers{MaxConnections: 2}, proxy.CircuitBreakers{}))
	come := func() {
		select {
		case <-a.come:
		case <-z.come:
		}
	}
	var clients []*rawClient
	for range 2 {
		clients = append(clients, b.dial().send(get("")))
		come()
	}
	for range 4 {
		clients = append(clients, b.dial().send(get("")))
	}
	b.queued(4)
	for range 6 {
		a.answer <- struct{}{}
		z.answer <- struct{}{}
	}
	for _, c := range clients {
		wantOK(t, c)
	}
	if n := b.service.Stats.Connections.Open(); n > 2 {
		t.Errorf("%d connections are open", n)
	}
	if n, m := a.crowd.Load(), z.crowd.Load(); n+m > 4 || n > 2 || m > 2 {
		t.Errorf("%d and %d requests at once", n, m)
	}
	b.end()
	testkit.Eventually(t, func() bool { return b.service.Stats.Connections.Open() == 0 })
}

func maxPendingRequests(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, lb.CircuitBreakers{MaxPendingRequests: 2}, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	second, third := b.dial().send(get("")), b.dial().send(get(""))
	b.queued(2)
	fourth := b.dial().send(get(""))
	wantTurnedAway(t, fourth, "max_pending_requests")
	for range 3 {
		e.answer <- struct{}{}
	}
	wantOK(t, first)
	wantOK(t, second)
	wantOK(t, third)
	if n := b.service.Stats.Overflows[lb.MaxPendingRequests].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
	e.answer <- struct{}{}
	wantOK(t, fourth.send(get(""))) // its connection is of use
	b.end()
	if log := b.access.String(); strings.Count(log, `"cause":"max_pending_requests"`) != 1 || strings.Count(log, `"queued":`) != 2 {
		t.Errorf("access log %s", log)
	}
	if !strings.Contains(b.log.String(), "cause=max_pending_requests") {
		t.Errorf("log %s", b.log)
	}
	b.active(0)
}

func maxRequests(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(0, lb.CircuitBreakers{MaxRequests: 2}, proxy.CircuitBreakers{}))
	first, second := b.dial().send(get("")), b.dial().send(get(""))
	<-e.come
	<-e.come
	third := b.dial().send(get(""))
	wantTurnedAway(t, third, "max_requests")
	e.answer <- struct{}{}
	e.answer <- struct{}{}
	wantOK(t, first)
	wantOK(t, second)
	e.answer <- struct{}{}
	wantOK(t, third.send(get("")))
	if n := b.service.Stats.Overflows[lb.MaxRequests].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
}

func maxRequestsPerConnection(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(0, lb.CircuitBreakers{}, proxy.CircuitBreakers{MaxRequestsPerConnection: 3}))
	c := b.dial()
	for range 7 {
		e.answer <- struct{}{}
		wantOK(t, c.send(get("")))
	}
	if n := e.ever.Load(); n < 3 || d.pools == 1 && n != 3 {
		t.Errorf("%d connections carried 7 requests", n)
	}
	if n := e.closed.Load(); n != 0 {
		t.Errorf("%d times the endpoint was told to close", n)
	}
}

func maxRequestsPerConnectionOfOne(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(0, lb.CircuitBreakers{}, proxy.CircuitBreakers{MaxRequestsPerConnection: 1}))
	c := b.dial()
	for range 4 {
		e.answer <- struct{}{}
		wantOK(t, c.send(get("")))
	}
	if n, told := e.ever.Load(), e.closed.Load(); n != 4 || told != 4 {
		t.Errorf("%d connections carried 4 requests, and %d said that they are the last", n, told)
	}
}

// onlyOneIsTriedAgain sends requests, one after the other, to an endpoint that fails
// and one that holds them, until retries have been refused. One is tried again.
func onlyOneIsTriedAgain(t *testing.T, b *bench, good *gate, why proxy.AttemptReason, status int) {
	t.Helper()
	over := &b.service.Stats.RetriesOverBudget
	var held []*rawClient
	for range 8 {
		before := over.Load()
		c := b.dial().send(get(""))
		testkit.Eventually(t, func() bool { return len(good.come) > 0 || over.Load() > before })
		if over.Load() == before {
			<-good.come
			held = append(held, c)
			continue
		}
		if resp, _ := c.response("GET"); resp.StatusCode != status {
			t.Errorf("got %d, want %d", resp.StatusCode, status)
		}
	}
	if again := b.service.Stats.Retries[why].Load(); again != 1 || over.Load() == 0 {
		t.Errorf("%d retries at once, and %d refused; want 1, and some", again, over.Load())
	}
	for range held {
		good.answer <- struct{}{}
	}
	for _, c := range held {
		wantOK(t, c)
	}
}

func maxRetriesAtOnce(t *testing.T, d driver) {
	bad, good := answer(t, reply(503, "sorry")), newGate(t)
	b := d.start(t, []string{bad.addr, good.addr}, retrying(proxy.Retry{On: proxy.RetryGatewayError, Most: 1}),
		breaking(0, lb.CircuitBreakers{}, proxy.CircuitBreakers{MaxRetries: 1}))
	onlyOneIsTriedAgain(t, b, good, proxy.AttemptStatus, 503)
}

func maxRetriesCountsThoseWithoutARule(t *testing.T, d driver) {
	closed, good := closedPort(t), newGate(t)
	b := d.start(t, []string{closed, good.addr}, breaking(0, lb.CircuitBreakers{}, proxy.CircuitBreakers{MaxRetries: 1}))
	onlyOneIsTriedAgain(t, b, good, proxy.AttemptConnectFailure, 502)
}

func whoWaitsTooLongIsToldToComeBack(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, lb.CircuitBreakers{PendingTimeout: 30 * time.Millisecond}, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	wantTurnedAway(t, b.dial().send(get("")), "pending_timeout")
	e.answer <- struct{}{}
	wantOK(t, first)
	if n := b.service.Stats.Overflows[lb.PendingTimeout].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
	if n, _, _ := b.service.Stats.QueueWait.Read(); n != 1 {
		t.Errorf("%d waits are counted", n)
	}
}

func whoLeavesWhileWaitingGivesUpThePlace(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, lb.CircuitBreakers{MaxPendingRequests: 1, PendingTimeout: time.Minute}, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	gone := b.dial().send(get(""))
	b.queued(1)
	gone.Close()
	b.queued(0)
	second := b.dial().send(get(""))
	b.queued(1)
	e.answer <- struct{}{}
	e.answer <- struct{}{}
	wantOK(t, first)
	wantOK(t, second)
	if n := len(e.come); n != 1 {
		t.Errorf("%d requests came after the first, want 1", n)
	}
	b.active(0)
}

// onePlace is a proxy whose service may have one connection, which is taken: such as
// by an idle one on a loop that is busy.
func onePlace(t *testing.T, d driver, options ...option) (*gate, *bench) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, append(options, breaking(0, lb.CircuitBreakers{MaxConnections: 1}, proxy.CircuitBreakers{}))...)
	if !b.service.Stats.Connections.Take(1) {
		t.Fatal("there is no place to take")
	}
	return e, b
}

func (b *bench) wantsAPlace() {
	b.t.Helper()
	testkit.Eventually(b.t, b.service.Stats.Connections.Wanted)
}

func waitForAPlaceIsNoPartOfConnecting(t *testing.T, d driver) {
	e, b := onePlace(t, d)
	c := b.dial().send(get(""))
	b.wantsAPlace()
	b.service.Stats.Connections.GiveBack()
	e.answer <- struct{}{}
	wantOK(t, c)
	c.Close()
	b.end()
	if log := b.access.String(); !strings.Contains(log, `"queued":`) {
		t.Errorf("access log %s", log)
	}
}

func whoGetsNoPlaceIsToldToComeBack(t *testing.T, d driver) {
	_, b := onePlace(t, d, withService(func(s *proxy.Service) { s.ConnectTimeout = 30 * time.Millisecond }))
	wantTurnedAway(t, b.dial().send(get("")), "max_connections")
	if n := b.service.Stats.Overflows[lb.MaxConnections].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
	if b.failures() != 0 {
		t.Error("the endpoint is blamed")
	}
	b.active(0)
}

func whoLeavesWithoutAPlaceGivesTheLeaseBack(t *testing.T, d driver) {
	e, b := onePlace(t, d, withService(func(s *proxy.Service) { s.ConnectTimeout = time.Minute }))
	c := b.dial().send(get(""))
	b.wantsAPlace()
	c.Close()
	b.active(0)
	testkit.Eventually(t, func() bool { return !b.service.Stats.Connections.Wanted() })
	if n := len(e.come); n != 0 || b.failures() != 0 {
		t.Errorf("%d requests came, %d failures", n, b.failures())
	}
}

func reloadServesWhoWaits(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, lb.CircuitBreakers{PendingTimeout: time.Minute}, proxy.CircuitBreakers{}))
	first := b.dial().send(get(""))
	<-e.come
	second, third := b.dial().send(get("")), b.dial().send(get(""))
	b.queued(2)
	b.setLimits(2, &lb.CircuitBreakers{MaxPendingRequests: 1})
	<-e.come
	b.queued(1)
	b.setLimits(2, nil) // nobody waits any more
	refused := func(c *rawClient) bool {
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		defer c.SetReadDeadline(time.Time{})
		_, err := c.r.Peek(1)
		return err == nil
	}
	testkit.Eventually(t, func() bool { return refused(second) || refused(third) })
	if refused(second) {
		second, third = third, second
	}
	wantTurnedAway(t, third, "")
	e.answer <- struct{}{}
	e.answer <- struct{}{}
	wantOK(t, first)
	wantOK(t, second)
	b.active(0)
}

func endpointThatDiesWhileOthersWait(t *testing.T, d driver) {
	dying, good := newGate(t), newGate(t)
	b := d.start(t, []string{dying.addr, good.addr}, breaking(1, lb.CircuitBreakers{}, proxy.CircuitBreakers{}))
	var clients []*rawClient
	for range 2 {
		clients = append(clients, b.dial().send(get("")))
	}
	<-dying.come
	<-good.come
	for range 3 {
		clients = append(clients, b.dial().send(get("")))
	}
	b.queued(3)
	if err := b.balancer.SetAdmin(dying.addr, lb.Down); err != nil {
		t.Fatal(err)
	}
	for range clients {
		dying.answer <- struct{}{}
		good.answer <- struct{}{}
	}
	for _, c := range clients {
		wantOK(t, c)
	}
	if n := len(dying.come); n != 0 {
		t.Errorf("%d requests that waited came to the one that was out", n)
	}
	b.active(0)
}

func retryKeepsThePlaceOfTheRequest(t *testing.T, d driver) {
	bad, good := answer(t, reply(503, "sorry")), answer(t, ok)
	b := d.start(t, []string{bad.addr, good.addr}, retrying(proxy.Retry{On: proxy.RetryGatewayError, Most: 1}),
		breaking(0, lb.CircuitBreakers{MaxRequests: 1, MaxConnections: 2}, proxy.CircuitBreakers{MaxRetries: 1}))
	c := b.dial()
	for range 6 {
		wantOK(t, c.send(get("")))
	}
	if n := b.service.Stats.RetriesOverBudget.Load(); n != 0 {
		t.Errorf("%d retries were refused", n)
	}
	testkit.Eventually(t, func() bool { return b.balancer.Queue().Active == 0 })
}

func abortEndsWhoWaits(t *testing.T, d driver) {
	e := newGate(t)
	b := d.start(t, []string{e.addr}, breaking(1, lb.CircuitBreakers{PendingTimeout: time.Minute}, proxy.CircuitBreakers{}))
	b.dial().send(get(""))
	<-e.come
	b.dial().send(get(""))
	b.queued(1)
	b.engine.Abort()
	b.queued(0)
	b.active(0)
}

// Fifty clients are eight times what three endpoints take at once. Each of their
// requests is answered or told to come back, and no endpoint has more than it may.
func TestOverloadIsQueuedOrTold(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		const clients, each, most = 50, 8, 2
		var addrs []string
		var busy, crowd [3]atomic.Int64
		var once sync.Once
		full := make(chan struct{}) // closed when the first was told: until then nobody is answered
		for i := range 3 {
			addrs = append(addrs, endpoint(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				raise(&crowd[i], busy[i].Add(1))
				<-full
				time.Sleep(time.Millisecond)
				busy[i].Add(-1)
				fmt.Fprint(w, "ok")
			}))
		}
		b := d.start(t, addrs, quiet, breaking(most, lb.CircuitBreakers{MaxConnections: 6, MaxPendingRequests: 20}, proxy.CircuitBreakers{}))
		var served, told atomic.Int64
		var all sync.WaitGroup
		for range clients {
			c := b.dial()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			all.Go(func() {
				defer c.Close()
				for range each {
					resp, body := c.send(get("")).response("GET")
					switch {
					case resp.StatusCode == 200 && body == "ok":
						served.Add(1)
					case resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "1":
						told.Add(1)
						once.Do(func() { close(full) })
					default:
						t.Errorf("got %d %q", resp.StatusCode, body)
					}
				}
			})
		}
		all.Wait()
		t.Logf("%d served, %d told to come back", served.Load(), told.Load())
		if told.Load() == 0 || served.Load() < 6 || served.Load()+told.Load() != clients*each {
			t.Errorf("%d served and %d told to come back", served.Load(), told.Load())
		}
		for i := range crowd {
			if n := crowd[i].Load(); n > most {
				t.Errorf("endpoint %d had %d at once", i, n)
			}
		}
		var over uint64
		for i := range b.service.Stats.Overflows {
			over += b.service.Stats.Overflows[i].Load()
		}
		if over != uint64(told.Load()) {
			t.Errorf("%d overflows are counted, %d clients were told", over, told.Load())
		}
		b.active(0)
		b.queued(0)
		b.end()
		testkit.Eventually(t, func() bool { return b.service.Stats.Connections.Open() == 0 })
	})
}
