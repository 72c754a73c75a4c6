package tcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // unless the command line says otherwise: such tests wait
	testkit.LeakCheck(m)
}

// A driver is a way to serve connections. Every promise holds for each.
type driver string

const (
	stream driver = "stream" // goroutines
	onLoop driver = "loop"
)

// drivers are those of this system.
var drivers = []driver{stream}

// eachDriver runs a test for each driver.
func eachDriver(t *testing.T, f func(t *testing.T, d driver)) {
	for _, d := range drivers {
		t.Run(string(d), func(t *testing.T) { f(t, d) })
	}
}

// eachDriverAtOnce is eachDriver for a test that waits more than it works. It begins
// when those are over that must be alone, and waits with the others of its kind.
func eachDriverAtOnce(t *testing.T, f func(t *testing.T, d driver)) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		t.Parallel()
		f(t, d)
	})
}

// A bench is an engine between a listener and its endpoints.
type bench struct {
	*testing.T
	engine   *tcp.Engine
	listener *proxy.Listener
	service  *proxy.Service
	addr     string
	access   *lockedBuffer
	log      *lockedBuffer
	end      func()
	after    func() // a test's own
}

// setup starts an engine in front of endpoints at addrs. Whatever tune changes
// in the service counts.
func setup(t *testing.T, d driver, tune func(*proxy.Service), addrs ...string) *bench {
	t.Helper()
	return setupLog(t, d, tune, func(h slog.Handler) slog.Handler { return h }, addrs...)
}

// setupLog is setup where the log goes through what wrap returns.
func setupLog(t *testing.T, d driver, tune func(*proxy.Service), wrap func(slog.Handler) slog.Handler, addrs ...string) *bench {
	t.Helper()
	b := &bench{T: t, access: new(lockedBuffer), log: new(lockedBuffer)}
	var endpoints []balance.Endpoint
	for _, a := range addrs {
		endpoints = append(endpoints, balance.Endpoint{Addr: a})
	}
	balancer, err := lb.New(lb.Options{Policy: balance.RoundRobin(), Endpoints: endpoints})
	must(t, err)
	b.service = &proxy.Service{Name: "test", Balancer: balancer, Stats: new(proxy.Stats), ConnectTimeout: 10 * time.Second}
	if tune != nil {
		tune(b.service)
	}
	access := proxy.NewAccessLog(b.access)
	log := slog.New(wrap(slog.NewTextHandler(b.log, nil)))
	var loops *proxy.Loops
	endLoops := func() {}
	if d == onLoop {
		loops, endLoops = startLoops(t)
	}
	b.engine = tcp.New(tcp.Options{Listener: "in", Access: access, Log: log, Loops: loops})
	b.engine.SetService(b.service)

	l := &proxy.Listener{Name: "in", Addr: "127.0.0.1:0", Engine: b.engine, Log: log}
	must(t, l.Listen())
	b.listener = l
	b.addr = l.LocalAddr().String()
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve(ctx) })
	b.end = sync.OnceFunc(func() {
		stop()
		serving.Wait()
		endLoops()
		access.Flush()
	})
	t.Cleanup(b.end)
	return b
}

// startLoops runs event loops until end is called.
func startLoops(t *testing.T) (loops *proxy.Loops, end func()) {
	t.Helper()
	loops, err := proxy.NewLoops(2, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { loops.Run(ctx) })
	return loops, func() {
		stop()
		running.Wait()
	}
}

// settled closes the listener, waits until every connection has ended by
// itself, and returns their records.
func (b *bench) settled() (records []map[string]any) {
	b.Helper()
	eventually(b.T, "connections to end", func() bool { return b.engine.Active() == 0 })
	b.end()
	for line := range strings.Lines(b.access.String()) {
		var r map[string]any
		must(b.T, json.Unmarshal([]byte(line), &r))
		records = append(records, r)
	}
	return records
}

func (b *bench) wantCause(cause string) {
	b.Helper()
	r := b.settled()
	if len(r) != 1 || r[0]["cause"] != cause {
		b.Fatalf("records %v, want one with cause %q", r, cause)
	}
}

func (b *bench) dial() *net.TCPConn {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	must(b.T, err)
	b.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// load is what the endpoints' counters say, all together.
func (b *bench) load() (started, failed uint64, active int64) {
	for _, c := range b.service.Balancer.Snapshot().Candidates {
		started += c.Load.Started()
		failed += c.Load.Failed()
		active += c.Load.Active()
	}
	return started, failed, active
}

// endpoint starts one that serves each connection with f.
func endpoint(t *testing.T, f func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f(c.(*net.TCPConn))
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// nobody is an address that refuses connections, and that nobody else gets meanwhile: a
// connection to somewhere else goes out from it.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantRefusal is for clients that are turned away, perhaps before they know
// that they are connected.
func (b *bench) wantRefusal() {
	b.Helper()
	c, err := net.Dial("tcp", b.addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	must(b.T, err)
	defer c.Close()
	wantReset(b.T, c)
}

func wantReset(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read ended with %v, want a reset", err)
	}
}

// uploadUntilReset writes all the time, calls f, and then reads until it learns
// of a reset. The kernel tells either the write or the read, but not both.
func uploadUntilReset(t *testing.T, c net.Conn, f func()) {
	t.Helper()
	var up sync.WaitGroup
	var wrote error
	up.Go(func() { _, wrote = io.Copy(c, rand.NewChaCha8([32]byte{})) })
	f()
	_, read := io.Copy(io.Discard, c)
	up.Wait()
	if !errors.Is(read, syscall.ECONNRESET) && !errors.Is(wrote, syscall.ECONNRESET) {
		t.Fatalf("read ended with %v, write with %v, want a reset", read, wrote)
	}
}

func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
