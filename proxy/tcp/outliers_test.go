package tcp_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A fault is a way for a connection to end, and what outlier detection makes of it.
type fault struct {
	at   func(t *testing.T) string // an endpoint's address
	tls  bool                      // the endpoint is taken for one that speaks TLS
	slow bool                      // it is, to connect
	ask  func(c *net.TCPConn)      // the client's part, which ends with a close; nil: it says a byte, and waits for the end

	want   lb.Outcome
	reason string // of the endpoint's last failure
}

var faults = map[string]fault{
	"no connection: refused": {at: nobody, want: lb.ConnectFailure, reason: "connection_refused"},
	"no connection: silence": {at: full, slow: true, want: lb.ConnectFailure, reason: "connection_timeout"},
	"no connection: TLS, and its certificate is not good": {at: ofAnotherAuthority, tls: true,
		want: lb.ConnectFailure, reason: "tls_certificate_error"},
	"no connection: it does not speak TLS": {at: serving(func(c *net.TCPConn) { io.WriteString(c, "220 welcome\r\n"); io.Copy(io.Discard, c) }),
		tls: true, want: lb.ConnectFailure, reason: "tls_protocol_error"},
	"no connection: no handshake in time": {at: serving(func(c *net.TCPConn) { io.Copy(io.Discard, c) }),
		tls: true, slow: true, want: lb.ConnectFailure, reason: "connection_timeout"},
	"a reset before the first byte": {at: serving(func(c *net.TCPConn) { hears(c); abort(c) }), want: lb.Failure, reason: "connection_terminated"},
	"a reset later":                 {at: serving(func(c *net.TCPConn) { hears(c); io.WriteString(c, "x"); abort(c) }), want: lb.Failure, reason: "connection_terminated"},
	"an end":                        {at: serving(func(c *net.TCPConn) { hears(c) }), want: lb.Success},
	"the client's reset": {at: serving(func(c *net.TCPConn) { io.WriteString(c, "x"); io.Copy(io.Discard, c) }),
		ask: func(c *net.TCPConn) { hears(c); abort(c) }, want: lb.Neutral},
}

// TestWhatCountsAgainstAnEndpoint is spec.md §10.4 over sockets: who cannot be connected
// to, or resets a connection, has failed, and a few in a row make an outlier of it. What
// the client does counts for nothing.
func TestWhatCountsAgainstAnEndpoint(t *testing.T) {
	eachDriverAtOnce(t, func(t *testing.T, d driver) {
		for name, f := range faults {
			if f.tls && d == onLoop {
				continue // where endpoints speak TLS, connections have goroutines
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f.counts(t, d)
			})
		}
	})
}

// inARow is how many failures make an outlier.
const inARow = 2

func (f fault) counts(t *testing.T, d driver) {
	bad, well := f.at(t), ""
	certs := testkit.NewCertificates(t)
	switch {
	case f.tls:
		config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
		well = endpoint(t, func(c *net.TCPConn) {
			over := tls.Server(c, config)
			hears(over)
			over.CloseWrite()
		})
	case f.want == lb.Neutral:
		well = f.at(t)
	default:
		well = endpoint(t, func(c *net.TCPConn) { hears(c) })
	}
	b := setup(t, d, func(s *proxy.Service) {
		if f.slow {
			s.ConnectTimeout = time.Second
		}
		if f.tls {
			s.TLS = &proxy.EndpointTLS{Roots: certs.Pool}
		}
	}, bad, well)
	must(t, b.service.Balancer.SetOptions(lb.Options{
		Endpoints: []balance.Endpoint{{Addr: bad}, {Addr: well}},
		Outlier: &health.Outlier{
			ConsecutiveErrors: inARow, EnforcingConsecutiveErrors: 100, ConsecutiveGatewayFailure: inARow,
		},
	}))
	for range 8 {
		b.letAskOnce(f.ask)
		switch e := b.statusOf(bad); {
		case e.Requests < inARow && e.Ejection.Ejected:
			t.Fatalf("ejected after %d: %+v", e.Requests, e.Traffic)
		case e.Requests == inARow:
			f.check(t, e)
			return
		}
	}
	t.Fatalf("the endpoint got %d connections of 8", b.statusOf(bad).Requests)
}

func (f fault) check(t *testing.T, e lb.EndpointStatus) {
	want, why, failures := lb.TrafficStatus{Reason: f.reason}, "", uint64(0)
	switch f.want {
	case lb.ConnectFailure:
		want.ConnectFailures, why, failures = e.Requests, "CONSECUTIVE_GATEWAY_FAILURE", e.Requests
	case lb.Failure:
		why, failures = "CONSECUTIVE_ERRORS", e.Requests
	}
	if e.Traffic != want || e.Failures != failures {
		t.Errorf("of %d, %d failures, %+v; want %d, %+v", e.Requests, e.Failures, e.Traffic, failures, want)
	}
	if e.Ejection.Ejected != (why != "") || e.Ejection.Reason != why {
		t.Errorf("ejected %v by %q, want %q", e.Ejection.Ejected, e.Ejection.Reason, why)
	}
}

// letAskOnce has a client come and go, and waits until that has ended for the endpoint
// as well.
func (b *bench) letAskOnce(ask func(*net.TCPConn)) {
	b.Helper()
	before := b.finished()
	c, err := net.Dial("tcp", b.addr)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // before it knew that it was connected
	case err != nil:
		b.Fatal(err)
	case ask == nil:
		io.WriteString(c, "x")
		io.Copy(io.Discard, c)
		c.Close()
	default:
		ask(c.(*net.TCPConn))
	}
	eventually(b.T, "the lease to end", func() bool { _, _, active := b.load(); return active == 0 && b.finished() > before })
}

func (b *bench) finished() (n uint64) {
	for _, c := range b.service.Balancer.Snapshot().Candidates {
		n += c.Load.Finished()
	}
	return n
}

func (b *bench) statusOf(addr string) lb.EndpointStatus {
	b.Helper()
	for _, e := range b.service.Balancer.Status().Groups[0].Endpoints {
		if e.Addr == addr {
			return e
		}
	}
	b.Fatalf("no status of %s", addr)
	return lb.EndpointStatus{}
}

// hears waits for a byte: until then nobody may know yet that there is a connection.
func hears(c net.Conn) { io.ReadFull(c, make([]byte, 1)) }

// serving is an endpoint.
func serving(f func(*net.TCPConn)) func(t *testing.T) string {
	return func(t *testing.T) string { return endpoint(t, f) }
}

func ofAnotherAuthority(t *testing.T) string {
	config := &tls.Config{Certificates: []tls.Certificate{testkit.NewCertificates(t).Server("127.0.0.1").TLS}}
	return endpoint(t, func(c *net.TCPConn) { tls.Server(c, config).Handshake() })
}
