package tcp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A place is an endpoint that says its name, echoes, and can stop to accept
// while its connections go on, which health checks take for its death.
type place struct {
	name, addr string
	ends       chan error // how connections of clients ended; nil: in good order

	mu       sync.Mutex
	listener net.Listener
	all      sync.WaitGroup
}

func newPlace(t *testing.T, name string) *place {
	p := &place{name: name, addr: "127.0.0.1:0", ends: make(chan error, 16)}
	p.open(t)
	p.addr = p.listener.Addr().String()
	t.Cleanup(func() {
		p.close()
		p.all.Wait()
	})
	return p
}

func (p *place) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", p.addr)
	must(t, err)
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(c) })
		}
	})
}

func (p *place) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener.Close()
}

func (p *place) serve(c net.Conn) {
	defer c.Close()
	io.WriteString(c, p.name)
	if n, err := io.Copy(c, c); n > 0 { // a health check says nothing
		p.ends <- err
	}
}

// tracked is a bench in front of places a and b, with a tracker and health checks.
type tracked struct {
	*bench
	a, b *place
	*proxy.Tracker
}

func setupTracked(t *testing.T, d driver, tracking proxy.Tracking) *tracked {
	w := &tracked{a: newPlace(t, "a"), b: newPlace(t, "b")}
	prober := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return patient{}, nil }}
	balancer, err := lb.New(lb.Options{
		Endpoints:   w.endpoints(),
		Panic:       lb.PanicOpen,
		Prober:      prober,
		HealthCheck: &health.Check{Type: health.TypeTCP, CheckInterval: 20 * time.Millisecond},
	})
	must(t, err)
	w.bench = setup(t, d, func(s *proxy.Service) { s.Balancer = balancer })
	w.Tracker = proxy.NewTracker(proxy.TrackerOptions{
		Service: "test", Balancer: balancer, Tracking: tracking,
		Cutters: func() []proxy.Cutter { return []proxy.Cutter{w.engine} },
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { prober.Run(ctx) })
	running.Go(func() { balancer.Run(ctx) })
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	eventually(t, "the first checks", balancer.Checked)
	return w
}

// patient checks as a TCP check does, in all the time it takes: a place is ill when it
// refuses, and not when the machine is busy.
type patient struct{}

func (patient) Check(_ context.Context, addr string) health.Result {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return health.Result{Reason: err.Error()}
	}
	c.Close()
	return health.Result{OK: true}
}

func (w *tracked) endpoints() []balance.Endpoint {
	return []balance.Endpoint{{ID: "a", Addr: w.a.addr}, {ID: "b", Addr: w.b.addr}}
}

// connected returns a connection to the place of this name.
func (w *tracked) connected(name string) *net.TCPConn {
	w.Helper()
	for {
		c := w.dial()
		who := make([]byte, 1)
		_, err := io.ReadFull(c, who)
		must(w.T, err)
		if string(who) == name {
			w.wantAlive(c)
			return c
		}
		c.Close()
	}
}

func (w *tracked) wantAlive(c *net.TCPConn) {
	w.Helper()
	_, err := io.WriteString(c, "hello")
	must(w.T, err)
	answer := make([]byte, 5)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "hello" {
		w.Fatalf("the connection is not as it was: %q, %v", answer, err)
	}
}

// wantCut waits until c, which goes to p, is cut for both sides.
func (w *tracked) wantCut(c *net.TCPConn, p *place, cause proxy.CutCause) {
	w.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		w.Errorf("the client sees %v, want a reset", err)
	}
	select {
	case err := <-p.ends:
		if !errors.Is(err, syscall.ECONNRESET) {
			w.Errorf("the endpoint sees %v, want a reset", err)
		}
	case <-time.After(10 * time.Second):
		w.Error("the endpoint sees nothing")
	}
	eventually(w.T, "the count of "+cause.String(), func() bool { return w.service.Stats.Cuts[cause].Load() == 1 })
}

// wantHealth waits until it is known whether the endpoint is ill.
func (w *tracked) wantHealth(id string, unhealthy bool) {
	w.Helper()
	eventually(w.T, "the health of "+id, func() bool {
		s := w.service.Balancer.Snapshot()
		for i, c := range s.Candidates {
			if c.ID == id {
				return s.State(i).Unhealthy == unhealthy
			}
		}
		return false
	})
}

func TestConnectionPersistsOnAnUnhealthyEndpoint(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{Persist: true})
		c, other := w.connected("a"), w.connected("b")
		w.a.close()
		w.wantHealth("a", true)
		must(t, w.service.Balancer.SetAdmin("a", lb.Down))
		must(t, w.service.Balancer.SetAdmin("b", lb.Drain))
		w.wantCut(other, w.b, proxy.EndpointDrained) // by then the tracker has seen all of it
		w.wantAlive(c)
	})
}

func TestConnectionIsCutWhenItsEndpointBecomesUnhealthy(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{})
		c, other := w.connected("a"), w.connected("b")
		w.a.close()
		w.wantCut(c, w.a, proxy.EndpointUnhealthy)
		w.wantAlive(other)
		w.wantAlive(w.connected("b"))
	})
}

func TestConnectionsAreNotCutWhenAllAreUnhealthy(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{})
		c := w.connected("a")
		must(t, w.service.Balancer.SetAdmin("b", lb.Drain)) // a is the last
		w.a.close()
		w.wantHealth("a", true)
		w.wantAlive(c)
		w.b.close()
		w.wantHealth("b", true)
		w.wantAlive(c)
		must(t, w.service.Balancer.SetAdmin("b", lb.Ready))
		w.wantAlive(c)

		w.b.open(t) // there is somewhere to go again
		w.wantCut(c, w.a, proxy.EndpointUnhealthy)
	})
}

func TestDrainingEndpointKeepsItsConnectionsForItsTime(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{Persist: true, DrainingTimeout: time.Hour})
		c := w.connected("a")
		must(t, w.service.Balancer.SetAdmin("a", lb.Drain))
		for range 4 {
			w.connected("b")
		}
		w.wantAlive(c)
		w.SetTracking(proxy.Tracking{Persist: true, DrainingTimeout: 50 * time.Millisecond})
		w.wantCut(c, w.a, proxy.EndpointDrained)
	})
}

func TestRemovedEndpointKeepsItsConnectionsForItsTime(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{Persist: true, DrainingTimeout: time.Hour})
		c, other := w.connected("a"), w.connected("b")
		must(t, w.service.Balancer.SetEndpoints(w.endpoints()[1:]))
		w.connected("b")
		w.wantAlive(c)
		w.SetTracking(proxy.Tracking{Persist: true})
		w.wantCut(c, w.a, proxy.EndpointRemoved)
		w.wantAlive(other)
	})
}

func TestAccessLogSaysWhyAConnectionWasCut(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := setupTracked(t, d, proxy.Tracking{Persist: true})
		c := w.connected("a")
		must(t, w.service.Balancer.SetAdmin("a", lb.Drain))
		w.wantCut(c, w.a, proxy.EndpointDrained)
		found := 0
		for _, r := range w.settled() {
			if r["cause"] == "endpoint_drained" && r["endpoint"] == "a" {
				found++
			}
		}
		if _, failed, active := w.load(); found != 1 || failed != 0 || active != 0 {
			t.Errorf("%d lines say so; the endpoint has %d failures and %d leases; want 1, none and none", found, failed, active)
		}
	})
}
