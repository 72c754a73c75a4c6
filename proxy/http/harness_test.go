package http_test

import (
	"bufio"
	"context"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

// A bench is a proxy in front of endpoints, for one test.
type bench struct {
	t        *testing.T
	addr     string // of the proxy
	engine   *proxyhttp.Engine
	pools    *proxyhttp.Pools
	balancer *lb.Balancer
	service  *proxy.Service
	settings *proxyhttp.Settings
	log      *testkit.Buffer
	access   *testkit.Buffer
	quiet    bool   // no access log
	stop     func() // drains, and waits
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
func start(t *testing.T, addrs []string, options ...option) *bench {
	t.Helper()
	var endpoints []balance.Endpoint
	for _, a := range addrs {
		endpoints = append(endpoints, balance.Endpoint{Addr: a})
	}
	balancer, err := lb.New(lb.Options{Name: "web", Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t:        t,
		balancer: balancer,
		pools:    new(proxyhttp.Pools),
		log:      new(testkit.Buffer),
		access:   new(testkit.Buffer),
		service: &proxy.Service{
			Name: "web", Balancer: balancer, Stats: new(proxy.Stats),
			Timeout: 10 * time.Second, ConnectTimeout: time.Second, KeepaliveTimeout: time.Minute,
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
	b.engine = proxyhttp.New(proxyhttp.Options{Listener: "test", Pools: b.pools, Access: used, Log: log})
	b.engine.SetSettings(b.settings)
	l := &proxy.Listener{Name: "test", Addr: "127.0.0.1:0", Engine: b.engine, DrainTimeout: 5 * time.Second, Log: log}
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

// endpoint runs a net/http server and returns its address.
func endpoint(t *testing.T, h nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// scripted runs an endpoint that calls f with each connection, numbered from 0.
func scripted(t *testing.T, f func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(n, c, bufio.NewReader(c))
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A rawClient speaks to the proxy byte by byte.
type rawClient struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

func (b *bench) dial() *rawClient {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &rawClient{b.t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (c *rawClient) send(s string) *rawClient {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return c
}

// response reads one response to a request of this method.
func (c *rawClient) response(method string) (*nethttp.Response, string) {
	c.t.Helper()
	resp, err := nethttp.ReadResponse(c.r, &nethttp.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("response body: %v", err)
	}
	return resp, string(body)
}

// all reads until the proxy closes the connection.
func (c *rawClient) all() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("read: %v", err)
	}
	return string(b)
}

// closed fails the test unless the proxy closes the connection now.
func (c *rawClient) closed() {
	c.t.Helper()
	if rest := c.all(); rest != "" {
		c.t.Errorf("after the response came %q, want the end", rest)
	}
}

// readHead reads a request's head as text, without interpreting it.
func readHead(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
