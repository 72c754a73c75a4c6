package http_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A fault is a way for a request to end, and what outlier detection makes of it.
type fault struct {
	at      func(t *testing.T) string // an endpoint's address
	tls     bool                      // the endpoint is taken for one that speaks TLS
	options []option
	send    string // by the client; "": a GET
	then    string // what it sends when it has been given an endpoint
	leaves  bool   // as it does then

	want   lb.Outcome
	reason string // of the endpoint's last failure
}

// faults are those of every system.
var faults = map[string]fault{
	"no connection: refused": {at: closedPort, want: lb.ConnectFailure, reason: "connection_refused"},
	"no connection: TLS, and its certificate is not good": {at: ofAnotherAuthority, tls: true,
		want: lb.ConnectFailure, reason: "tls_certificate_error"},
	"no connection: TLS, and it wants the proxy's certificate": {at: askingForACertificate, tls: true,
		options: []option{insecurely}, want: lb.ConnectFailure, reason: "tls_alert_received"},
	"no connection: it does not speak TLS": {at: greets("220 welcome\r\n", hangs), tls: true,
		want: lb.ConnectFailure, reason: "tls_protocol_error"},
	"no connection: no handshake in time": {at: greets("", hangs), tls: true,
		options: []option{connectWithin(soon)}, want: lb.ConnectFailure, reason: "connection_timeout"},
	"an end before the first byte":   {at: answers("", ends), want: lb.ConnectFailure, reason: "connection_terminated"},
	"a reset before the first byte":  {at: answers("", resets), want: lb.ConnectFailure, reason: "connection_terminated"},
	"an end in the head":             {at: answers("HTTP/1.1 200 O", ends), want: lb.Failure, reason: "http_response_incomplete"},
	"an end in the body":             {at: answers(half, ends), want: lb.Failure, reason: "http_response_incomplete"},
	"a reset in the body":            {at: answers(half, resets), want: lb.Failure, reason: "http_response_incomplete"},
	"no HTTP":                        {at: answers("220 welcome\r\n\r\n", hangs), want: lb.Failure, reason: "http_protocol_error"},
	"status 500":                     {at: answers(empty("500"), ends), want: lb.Failure, reason: "status 500"},
	"status 503":                     {at: answers(empty("503"), ends), want: lb.GatewayFailure, reason: "status 503"},
	"silence":                        {at: silent, options: []option{answerWithin(2 * soon)}, want: lb.GatewayFailure, reason: "http_response_timeout"},
	"the client leaves":              {at: silent, leaves: true, want: lb.Neutral},
	"the client leaves a body":       {at: silent, send: post("Content-Length: 9\r\n") + "half", leaves: true, want: lb.Neutral},
	"the client's body is malformed": {at: silent, send: post("Transfer-Encoding: chunked\r\n"), then: "no chunk\r\n", want: lb.Neutral},
	"the client's body stops": {at: silent, send: post("Content-Length: 9\r\n") + "half",
		options: []option{answerWithin(soon)}, want: lb.Neutral},
}

// TestWhatCountsAgainstAnEndpoint is spec.md §10.4 over sockets: what keeps an endpoint
// from answering counts for what it is, and a few in a row make an outlier of it. What
// the client does counts for nothing.
func TestWhatCountsAgainstAnEndpoint(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) {
		t.Parallel()
		for name, f := range faults {
			if f.tls && d.name == "loop" {
				continue // where endpoints speak TLS, connections have goroutines
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f.counts(t, d)
			})
		}
	})
}

func (f fault) counts(t *testing.T, d driver) {
	bad, well := f.at(t), ""
	options := append([]option{connectWithin(10 * time.Second)}, f.options...) // on a busy machine it takes its time
	switch {
	case f.tls:
		certs := testkit.NewCertificates(t)
		config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
		well = overTLS(t, config, func(c *tls.Conn, _ net.Conn) { readHead(bufio.NewReader(c)); io.WriteString(c, ok) })
		options = append([]option{to(&proxy.EndpointTLS{Roots: certs.Pool})}, options...)
	case f.want == lb.Neutral:
		well = f.at(t) // nobody is to answer before the client's fault is seen
	default:
		well = answer(t, ok).addr
	}
	b := d.start(t, []string{bad, well}, append(options, outliers)...)
	for range 8 {
		f.ask(b)
		switch e := b.statusOf(bad); {
		case e.Requests < inARow && e.Ejection.Ejected:
			t.Fatalf("ejected after %d: %+v", e.Requests, e.Traffic)
		case e.Requests == inARow:
			f.check(t, e, b.loadOf(bad).Neutrals())
			return
		}
	}
	t.Fatalf("the endpoint got %d requests of 8", b.statusOf(bad).Requests)
}

func (f fault) check(t *testing.T, e lb.EndpointStatus, neutral uint64) {
	want, why, failures, innocent := lb.TrafficStatus{Reason: f.reason}, "CONSECUTIVE_GATEWAY_FAILURE", e.Requests, uint64(0)
	switch f.want {
	case lb.ConnectFailure:
		want.ConnectFailures = e.Requests
	case lb.GatewayFailure:
		want.GatewayFailures = e.Requests
	case lb.Failure:
		why = "CONSECUTIVE_ERRORS"
	case lb.Neutral:
		why, failures, innocent = "", 0, e.Requests
	}
	if e.Traffic != want || e.Failures != failures || neutral != innocent {
		t.Errorf("of %d, %d failures, %d by nobody's fault, %+v; want %d, %d, %+v",
			e.Requests, e.Failures, neutral, e.Traffic, failures, innocent, want)
	}
	if e.Ejection.Ejected != (why != "") || e.Ejection.Reason != why {
		t.Errorf("ejected %v by %q, want %q", e.Ejection.Ejected, e.Ejection.Reason, why)
	}
}

// ask has a client ask, and waits until that has ended for the endpoint as well.
func (f fault) ask(b *bench) {
	b.t.Helper()
	c := b.dial()
	defer c.Close()
	if f.send == "" {
		c.send(get("Connection: close\r\n"))
	} else {
		c.send(f.send)
	}
	if f.then != "" || f.leaves {
		b.active(1)
		c.send(f.then)
	}
	if f.leaves {
		c.Close()
	} else {
		io.Copy(io.Discard, c)
	}
	b.active(0)
}

// inARow is how many make an outlier.
const inARow = 2

// outliers has the bench eject whose last requests have failed.
func outliers(b *bench) {
	o := lb.Options{Name: "web", Outlier: &health.Outlier{
		ConsecutiveErrors: inARow, EnforcingConsecutiveErrors: 100, ConsecutiveGatewayFailure: inARow,
	}}
	for _, c := range b.balancer.Snapshot().Candidates {
		o.Endpoints = append(o.Endpoints, *c.Endpoint)
	}
	if err := b.balancer.SetOptions(o); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) statusOf(addr string) lb.EndpointStatus {
	b.t.Helper()
	for _, e := range b.balancer.Status().Groups[0].Endpoints {
		if e.Addr == addr {
			return e
		}
	}
	b.t.Fatalf("no status of %s", addr)
	return lb.EndpointStatus{}
}

func (b *bench) loadOf(addr string) *balance.Load {
	b.t.Helper()
	for _, c := range b.balancer.Snapshot().Candidates {
		if c.Addr == addr {
			return c.Load
		}
	}
	b.t.Fatalf("no candidate %s", addr)
	return nil
}

// answers is an endpoint that answers a request's head with these bytes, and then
// does f.
func answers(bytes string, f func(net.Conn)) func(t *testing.T) string {
	return func(t *testing.T) string {
		return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			if readHead(r) != "" {
				io.WriteString(c, bytes)
				f(c)
			}
		})
	}
}

// greets is an endpoint that does not wait for a request.
func greets(bytes string, f func(net.Conn)) func(t *testing.T) string {
	return func(t *testing.T) string {
		return scripted(t, func(_ int, c net.Conn, _ *bufio.Reader) {
			io.WriteString(c, bytes)
			f(c)
		})
	}
}

func ends(net.Conn)     {} // whoever calls closes
func resets(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }
func hangs(c net.Conn)  { io.Copy(io.Discard, c) }

const half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"

func empty(status string) string {
	return "HTTP/1.1 " + status + " No\r\nContent-Length: 0\r\n\r\n"
}

func ofAnotherAuthority(t *testing.T) string {
	pair := testkit.NewCertificates(t).Server("127.0.0.1").TLS
	return overTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}}, func(c *tls.Conn, _ net.Conn) { hangs(c) })
}

func askingForACertificate(t *testing.T) string {
	certs := testkit.NewCertificates(t)
	return overTLS(t, &tls.Config{
		Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: certs.Pool,
	}, func(c *tls.Conn, _ net.Conn) { hangs(c) })
}

func insecurely(b *bench) { b.service.TLS = &proxy.EndpointTLS{InsecureSkipVerify: true} }

func connectWithin(d time.Duration) option {
	return withService(func(s *proxy.Service) { s.ConnectTimeout = d })
}

func answerWithin(d time.Duration) option {
	return withService(func(s *proxy.Service) { s.Timeout = d })
}
