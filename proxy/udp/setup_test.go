package udp_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/udp"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "16") // they wait, and need no processor for that
	testkit.LeakCheck(m)
}

// onBoth runs a test on event loops, where there are any, and on goroutines.
func onBoth(t *testing.T, f func(t *testing.T, loops bool)) {
	if runtime.GOOS == "linux" {
		t.Run("loops", func(t *testing.T) { f(t, true) })
	}
	t.Run("stream", func(t *testing.T) { f(t, false) })
}

// onBothAtOnce is onBoth for a test that mostly waits.
func onBothAtOnce(t *testing.T, f func(t *testing.T, loops bool)) {
	t.Parallel()
	onBoth(t, func(t *testing.T, loops bool) {
		t.Parallel()
		f(t, loops)
	})
}

// A bench is a listener between clients and its endpoints.
type bench struct {
	*testing.T
	*udp.Listener
	service *proxy.Service
	addr    netip.AddrPort
	access  *testkit.Buffer
	log     *testkit.Buffer
	stop    context.CancelFunc
	end     func()
}

type setup struct {
	loops     bool
	listen    string // default: a port of 127.0.0.1
	endpoints []string
	policy    balance.Policy
	options   udp.Options
	service   proxy.Service
	opened    func() // called before Serve
}

func (s setup) start(t *testing.T) *bench {
	t.Helper()
	var endpoints []balance.Endpoint
	for _, a := range s.endpoints {
		endpoints = append(endpoints, balance.Endpoint{Addr: a})
	}
	balancer, err := lb.New(lb.Options{Policy: s.policy, Endpoints: endpoints})
	must(t, err)
	b := &bench{T: t, access: new(testkit.Buffer), log: new(testkit.Buffer)}
	b.service = &s.service
	b.service.Name, b.service.Balancer, b.service.Stats = "test", balancer, new(proxy.Stats)
	access := proxy.NewAccessLog(b.access)
	o := s.options
	o.Name, o.Access, o.Log, o.Addr = "in", access, slog.New(slog.NewTextHandler(b.log, nil)), s.listen
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	background, stopLoops := context.WithCancel(context.Background())
	var serving, looping sync.WaitGroup
	if s.loops {
		o.Loops, err = proxy.NewLoops(2, slog.Default())
		must(t, err)
		looping.Go(func() { o.Loops.Run(background) })
	}
	b.Listener, err = open(o, s.listen == "")
	must(t, err)
	b.addr = b.LocalAddr().(*net.UDPAddr).AddrPort()
	b.SetService(b.service)
	if s.opened != nil {
		s.opened()
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	serving.Go(func() {
		if err := b.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	b.end = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
		stopLoops()
		looping.Wait()
		access.Flush()
	})
	t.Cleanup(b.end)
	return b
}

// records ends the listener and returns its access log.
func (b *bench) records() (records []map[string]any) {
	b.Helper()
	b.end()
	for line := range strings.Lines(b.access.String()) {
		var r map[string]any
		must(b.T, json.Unmarshal([]byte(line), &r))
		records = append(records, r)
	}
	return records
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

// A client has a socket of its own, connected to the proxy.
type client struct {
	*testing.T
	*net.UDPConn
}

// dial makes a client on "ip:port", "" for any.
func (b *bench) dial(from string) *client {
	b.Helper()
	return dialFrom(b.T, from, b.addr)
}

func dialFrom(t *testing.T, from string, to netip.AddrPort) *client {
	t.Helper()
	var local *net.UDPAddr
	if from != "" {
		local = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(to))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return &client{t, c}
}

func (c *client) send(s string) {
	c.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		c.Fatal(err)
	}
}

// receive waits for a datagram.
func (c *client) receive() string {
	c.Helper()
	b := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(b)
	must(c.T, err)
	return string(b[:n])
}

// hears reports whether a datagram comes within a short time.
func (c *client) hears(within time.Duration) (string, bool) {
	b := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(within))
	n, err := c.Read(b)
	return string(b[:n]), err == nil
}

func (c *client) ask(s string) string {
	c.Helper()
	c.send(s)
	return c.receive()
}

// askUntil asks until there is an answer, as clients of UDP do.
func (c *client) askUntil(s string) string {
	c.Helper()
	for range 200 {
		c.send(s)
		if answer, ok := c.hears(50 * time.Millisecond); ok {
			return answer
		}
	}
	c.Fatalf("no answer to %q", s)
	return ""
}

// endpoint starts one that answers by f; nil is no answer.
func endpoint(t *testing.T, addr string, f func(from netip.AddrPort, b []byte) []byte) (string, *net.UDPConn) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	must(t, err)
	c.SetReadBuffer(4 << 20)
	var serving sync.WaitGroup
	serving.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if answer := f(from, b[:n]); answer != nil {
				c.WriteToUDPAddrPort(answer, from)
			}
		}
	})
	t.Cleanup(func() { c.Close(); serving.Wait() })
	return c.LocalAddr().String(), c
}

// echo starts an endpoint that says who it is and what it was told.
func echo(t *testing.T) string {
	t.Helper()
	var addr string
	named := make(chan struct{})
	addr, _ = endpoint(t, "127.0.0.1:0", func(_ netip.AddrPort, b []byte) []byte {
		<-named
		return fmt.Appendf(nil, "%s %s", addr, b)
	})
	close(named)
	return addr
}

// mirror starts an endpoint that sends back what it gets.
func mirror(t *testing.T) string {
	t.Helper()
	addr, _ := endpoint(t, "127.0.0.1:0", func(_ netip.AddrPort, b []byte) []byte { return b })
	return addr
}

// nobody is an address that refuses datagrams, until it is opened. Its socket is
// connected to another, so the port is nobody else's, and nobody listens.
func nobody(t *testing.T) (addr string, open func()) {
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String(), func() { c.Close() }
}

// refusing is an address that refuses datagrams.
func refusing(t *testing.T) string {
	addr, _ := nobody(t)
	return addr
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a listener. Where any port will do, another is tried if somebody takes
// the one that the first of its sockets got before the others are bound to it.
func open(o udp.Options, anyPort bool) (l *udp.Listener, err error) {
	for range 5 {
		l = udp.New(o)
		if err = l.Listen(); !anyPort || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return l, err
}
