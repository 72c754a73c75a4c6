package tcp_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// limited makes a balancer with circuit breakers for a service's endpoints.
func limited(t *testing.T, s *proxy.Service, most int64, limits lb.CircuitBreakers) {
	t.Helper()
	o := lb.Options{CircuitBreakers: &limits}
	for _, c := range s.Balancer.Snapshot().Candidates {
		o.Endpoints = append(o.Endpoints, balance.Endpoint{Addr: c.Addr, Max: most})
	}
	must(t, s.Balancer.SetOptions(o))
}

func (b *bench) queued(n int64) {
	b.Helper()
	eventually(b.T, fmt.Sprintf("%d in line", n), func() bool { return b.service.Balancer.Queue().Queued == n })
}

// says sends a word to an endpoint that echoes, and wants it back.
func says(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := io.WriteString(c, "word")
	must(t, err)
	_, err = io.ReadFull(c, make([]byte, 4))
	must(t, err)
}

// The rows of the table in spec.md §10.3 that TCP has.
func TestCircuitBreakersOfTCP(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T, driver)
	}{
		{"maxConnections", maxConnections},
		{"maxPendingRequests", maxPendingRequests},
		{"maxRequests", maxRequests},
		{"nobody waits where there is no queue", nobodyWaitsWhereThereIsNoQueue},
		{"an endpoint's max", endpointsMax},
		{"who waits too long is reset", whoWaitsTooLongIsReset},
		{"who leaves while waiting gives up the place", whoLeavesGivesUpThePlace},
		{"who waited and was refused goes on to the next endpoint", whoWaitedGoesOnToTheNext},
		{"an abort ends who waits", abortEndsWhoWaits},
	} {
		t.Run(row.name, func(t *testing.T) { eachDriver(t, row.test) })
	}
}

func maxConnections(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo), endpoint(t, echo))
	limited(t, b.service, 0, lb.CircuitBreakers{MaxConnections: 2})
	first, second := b.dial(), b.dial()
	says(t, first)
	says(t, second)
	third, fourth := b.dial(), b.dial()
	b.queued(2)
	first.Close()
	b.queued(1)
	second.Close()
	says(t, third)
	says(t, fourth)
	if n := b.service.Balancer.Queue().Active; n != 2 {
		t.Errorf("%d connections hold a place", n)
	}
	third.Close()
	fourth.Close()
	waited := 0
	for _, r := range b.settled() {
		if r["queued"] != nil {
			waited++
		}
		if r["cause"] != "" {
			t.Errorf("record %v", r)
		}
	}
	if waited != 2 {
		t.Errorf("%d records say that their connection waited", waited)
	}
	if n := b.service.Balancer.Queue().Active; n != 0 {
		t.Errorf("%d places are held by nobody", n)
	}
}

func maxPendingRequests(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	limited(t, b.service, 0, lb.CircuitBreakers{MaxConnections: 1, MaxPendingRequests: 1})
	first := b.dial()
	says(t, first)
	second := b.dial()
	b.queued(1)
	b.wantRefusal()
	first.Close()
	says(t, second)
	second.Close()
	if n := b.service.Stats.Overflows[lb.MaxPendingRequests].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
	causes := ""
	for _, r := range b.settled() {
		causes += fmt.Sprint(r["cause"], ";")
	}
	if !strings.Contains(causes, "max_pending_requests;") {
		t.Errorf("the access log has the causes %q", causes)
	}
}

// wantNoWait wants all who were turned away to have been so at once.
func (b *bench) wantNoWait(limit lb.Limit) {
	b.Helper()
	for l := range b.service.Stats.Overflows {
		want := uint64(0)
		if lb.Limit(l) == limit {
			want = 1
		}
		if n := b.service.Stats.Overflows[l].Load(); n != want {
			b.Errorf("%d overflows of %v, want %d", n, lb.Limit(l), want)
		}
	}
	if n, _, _ := b.service.Stats.QueueWait.Read(); n != 0 {
		b.Errorf("%d waits are counted", n)
	}
	for _, r := range b.settled() {
		if r["queued"] != nil {
			b.Errorf("record %v", r)
		}
	}
}

// The file has no max_requests for TCP, but a library's user may.
func maxRequests(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	limited(t, b.service, 0, lb.CircuitBreakers{MaxRequests: 1, PendingTimeout: time.Minute})
	first := b.dial()
	says(t, first)
	b.wantRefusal()
	first.Close()
	b.wantNoWait(lb.MaxRequests)
}

func nobodyWaitsWhereThereIsNoQueue(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	o := lb.Options{}
	for _, c := range b.service.Balancer.Snapshot().Candidates {
		o.Endpoints = append(o.Endpoints, balance.Endpoint{Addr: c.Addr, Max: 1})
	}
	must(t, b.service.Balancer.SetOptions(o))
	first := b.dial()
	says(t, first)
	b.wantRefusal()
	first.Close()
	b.wantNoWait(lb.EndpointsAtMax)
}

func endpointsMax(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo), endpoint(t, echo))
	limited(t, b.service, 1, lb.CircuitBreakers{})
	first, second := b.dial(), b.dial()
	says(t, first)
	says(t, second)
	third := b.dial()
	b.queued(1)
	second.Close()
	says(t, third)
}

func whoWaitsTooLongIsReset(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	limited(t, b.service, 1, lb.CircuitBreakers{PendingTimeout: 20 * time.Millisecond})
	first := b.dial()
	says(t, first)
	b.wantRefusal()
	if n := b.service.Stats.Overflows[lb.PendingTimeout].Load(); n != 1 {
		t.Errorf("%d overflows are counted", n)
	}
}

func whoLeavesGivesUpThePlace(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	limited(t, b.service, 1, lb.CircuitBreakers{MaxPendingRequests: 1, PendingTimeout: time.Minute})
	first := b.dial()
	says(t, first)
	gone := b.dial()
	b.queued(1)
	abort(gone)
	b.queued(0)
	second := b.dial()
	b.queued(1)
	first.Close()
	says(t, second)
	second.Close()
	b.settled()
	if started, _, active := b.load(); started != 2 || active != 0 {
		t.Errorf("%d leases were taken and %d are held, want 2 and none", started, active)
	}
}

func whoWaitedGoesOnToTheNext(t *testing.T, d driver) {
	var mu sync.Mutex
	var held []*net.TCPConn
	dying, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() {
		c, err := dying.Accept()
		if err == nil {
			mu.Lock()
			held = append(held, c.(*net.TCPConn))
			mu.Unlock()
			dying.Close()
		}
	}()
	b := setup(t, d, nil, dying.Addr().String(), endpoint(t, echo))
	limited(t, b.service, 1, lb.CircuitBreakers{PendingTimeout: time.Minute})
	first, second := b.dial(), b.dial()
	eventually(t, "two connections", func() bool {
		mu.Lock()
		defer mu.Unlock()
		_, _, active := b.load()
		return active == 2 && len(held) == 1
	})
	third := b.dial()
	b.queued(1)
	mu.Lock()
	held[0].Close() // the third tries its endpoint, in vain, and waits for the other
	mu.Unlock()
	one, other := first, second
	one.SetReadDeadline(time.Now().Add(10 * time.Second))
	other.SetReadDeadline(time.Now().Add(10 * time.Second))
	ended := make(chan *net.TCPConn, 2)
	for _, c := range []*net.TCPConn{one, other} {
		go func() {
			if _, err := c.Read(make([]byte, 1)); err == io.EOF {
				ended <- c
			}
		}()
	}
	dead := <-ended
	dead.Close()
	b.queued(1)
	if dead == one {
		other.Close()
	} else {
		one.Close()
	}
	says(t, third)
}

func abortEndsWhoWaits(t *testing.T, d driver) {
	b := setup(t, d, nil, endpoint(t, echo))
	limited(t, b.service, 1, lb.CircuitBreakers{PendingTimeout: time.Minute})
	first := b.dial()
	says(t, first)
	second := b.dial()
	b.queued(1)
	b.engine.Abort()
	wantReset(t, second)
	b.queued(0)
	b.settled()
}

// Forty clients for four places: each is served or reset, and never more than four
// at once.
func TestOverloadedTCPNeverExceedsItsLimit(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		var busy, most atomic.Int64
		at := endpoint(t, func(c *net.TCPConn) {
			if n := busy.Add(1); n > most.Load() {
				most.Store(n)
			}
			io.ReadFull(c, make([]byte, 4))
			time.Sleep(2 * time.Millisecond)
			busy.Add(-1)
			io.WriteString(c, "done")
		})
		b := setup(t, d, nil, at)
		limited(t, b.service, 0, lb.CircuitBreakers{MaxConnections: 4, MaxPendingRequests: 20})
		var served, reset atomic.Int64
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				for range 5 {
					c, err := net.Dial("tcp", b.addr)
					if err != nil {
						reset.Add(1)
						continue
					}
					c.SetDeadline(time.Now().Add(10 * time.Second))
					io.WriteString(c, "work")
					if got, err := io.ReadAll(c); err == nil && string(got) == "done" {
						served.Add(1)
					} else {
						reset.Add(1)
					}
					c.Close()
				}
			})
		}
		all.Wait()
		b.settled()
		t.Logf("%d served, %d reset", served.Load(), reset.Load())
		var over uint64
		for i := range b.service.Stats.Overflows {
			over += b.service.Stats.Overflows[i].Load()
		}
		if most.Load() > 4 || served.Load()+reset.Load() != 200 || over != uint64(reset.Load()) || served.Load() < 20 {
			t.Errorf("%d at once; %d served, %d reset, %d counted", most.Load(), served.Load(), reset.Load(), over)
		}
		if q := b.service.Balancer.Queue(); q.Active != 0 || q.Queued != 0 {
			t.Errorf("in the end %d hold a place and %d wait", q.Active, q.Queued)
		}
	})
}
