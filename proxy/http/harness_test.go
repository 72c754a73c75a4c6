package http_test

import (
	"context"
	"crypto/tls"
	"flag"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "16") // unless the command line says otherwise: most tests wait
	testkit.LeakCheck(m)
}

// A bench is a proxy in front of endpoints, for one test.
type bench struct {
	t        *testing.T
	driver   driver
	addrs    []string    // of the endpoints, as the proxy knows them
	listen   string      // where the proxy is to listen
	addr     string      // where it does
	speak    *tls.Config // what its clients speak; nil: no TLS
	engine   *proxyhttp.Engine
	pools    *proxyhttp.Pools
	balancer *lb.Balancer
	service  *proxy.Service
	settings *proxyhttp.Settings
	log      *testkit.Buffer
	access   *testkit.Buffer
	quiet    bool   // no access log
	stop     func() // drains, and waits
	dialed   connections
}

// option changes the bench before it starts.
type option func(*bench)

func quiet(b *bench) { b.quiet = true }

func withSettings(f func(*proxyhttp.Settings)) option { return func(b *bench) { f(b.settings) } }
func withService(f func(*proxy.Service)) option       { return func(b *bench) { f(b.service) } }
func withRoute(f func(*proxy.Route)) option {
	return func(b *bench) {
		r := proxy.Route{Service: b.service, Timeout: b.service.Timeout}
		f(&r)
		b.settings.Routes = proxy.NewRoutes([]proxy.Route{r}, nil)
	}
}

// start runs a proxy in front of endpoints at these addresses.
func (d driver) start(t *testing.T, addrs []string, options ...option) *bench {
	t.Helper()
	var endpoints []balance.Endpoint
	var secure *proxy.EndpointTLS
	if d.toTLS {
		addrs, secure = secured(t, addrs)
	}
	for _, a := range addrs {
		endpoints = append(endpoints, balance.Endpoint{Addr: a})
	}
	balancer, err := lb.New(lb.Options{Name: "web", Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t:        t,
		driver:   d,
		addrs:    addrs,
		listen:   "127.0.0.1:0",
		balancer: balancer,
		pools:    new(proxyhttp.Pools),
		log:      new(testkit.Buffer),
		access:   new(testkit.Buffer),
		service: &proxy.Service{
			Name: "web", Balancer: balancer, Stats: new(proxy.Stats), TLS: secure,
			Timeout: time.Minute, ConnectTimeout: time.Minute, KeepaliveTimeout: time.Minute,
		},
		settings: &proxyhttp.Settings{ClientTimeout: 5 * time.Second, KeepaliveTimeout: 5 * time.Second},
	}
	for _, o := range options {
		o(b)
	}
	if b.settings.Routes == nil {
		b.settings.Routes = proxy.NewRoutes(nil, b.service)
	}
	b.serve()
	return b
}

func (b *bench) serve() {
	log := testkit.Logger(b.log)
	access := proxy.NewAccessLog(b.access)
	used := access
	if b.quiet {
		used = nil
	}
	o := proxyhttp.Options{Listener: "test", Pools: b.pools, Access: used, Log: log}
	b.driver.choose(b.t, &o)
	b.engine = proxyhttp.New(o)
	b.engine.SetSettings(b.settings)
	var engine proxy.Engine = b.engine
	if b.driver.tls {
		engine = b.front(engine)
	}
	l := &proxy.Listener{Name: "test", Addr: b.listen, Engine: engine, DrainTimeout: 5 * time.Second, Log: log}
	if err := l.Listen(); err != nil {
		b.t.Fatal(err)
	}
	b.addr = l.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Serve: %v", err)
		}
		access.Flush()
		b.pools.Retain(func(*balance.Load) bool { return false })
		b.stop = func() {}
	}
	b.t.Cleanup(func() { b.stop() })
}

// A connections is those that clients have made.
type connections struct {
	mu  sync.Mutex
	all []net.Conn
}

func (c *connections) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, conn)
}

// end is stop when all clients have hung up: whom a drain need not wait for.
func (b *bench) end() {
	b.dialed.mu.Lock()
	for _, c := range b.dialed.all {
		c.Close()
	}
	b.dialed.mu.Unlock()
	b.stop()
}

// active waits until the balancer holds n leases.
func (b *bench) active(n int64) {
	b.t.Helper()
	testkit.Eventually(b.t, func() bool {
		var sum int64
		for _, c := range b.balancer.Snapshot().Candidates {
			sum += c.Load.Active()
		}
		return sum == n
	})
}

// failures is how many leases ended with Failure.
func (b *bench) failures() (n uint64) {
	for _, c := range b.balancer.Snapshot().Candidates {
		n += c.Load.Failed()
	}
	return n
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
