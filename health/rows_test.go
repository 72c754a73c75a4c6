package health_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// TestSuccessCriteria is the table of spec.md §8.2, row by row. GRPC and HTTP/2 have tests of their own in grpc_test.go,
// against real servers, and every way to fail is in the tests of each type.
func TestSuccessCriteria(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	trusted := &tls.Config{RootCAs: certs.Pool}
	respond := func(raw string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, raw)
		}
	}
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"
	moved := "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
	greet := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text) }
	}
	for _, c := range []struct {
		row    string
		check  health.Check
		serve  func(net.Conn)
		reason string
	}{
		{"HTTP: 200 in full", health.Check{Type: "HTTP"}, respond(ok), ""},
		{"HTTP: redirects fail and are not followed", health.Check{Type: "HTTP"}, respond(moved), "status 301, want 200"},
		{"HTTP: response anywhere in the first 1024 bytes", health.Check{Type: "HTTP", Response: "ead"}, respond(ok), ""},
		{"HTTPS: 200 in full", health.Check{Type: "HTTPS", TLS: trusted}, respond(ok), ""},
		{"HTTPS: redirects fail", health.Check{Type: "HTTPS", TLS: trusted}, respond(moved), "status 301, want 200"},
		{"TCP: connect", health.Check{Type: "TCP"}, untilGone, ""},
		{"TCP: response only, read after connect", health.Check{Type: "TCP", Response: "220"}, greet("220 ready"), ""},
		{"TCP: strict, exact", health.Check{Type: "TCP", Response: "220", StrictResponse: true}, greet("220"), ""},
		{"TCP: strict, more comes", health.Check{Type: "TCP", Response: "220", StrictResponse: true}, greet("220 ready"), `response goes on with " ready"`},
		{"TCP: strict, and it stays open", health.Check{Type: "TCP", Response: "220", StrictResponse: true, Timeout: short},
			func(c net.Conn) { greet("220")(c); untilGone(c) }, "timeout after 100ms"},
		{"SSL: handshake", health.Check{Type: "SSL", TLS: trusted}, untilGone, ""},
		{"SSL: same data rules", health.Check{Type: "SSL", TLS: trusted, Response: "220"}, greet("550 no"), `response begins "550`},
		{"HTTP/2: over TLS, no h2c", health.Check{Type: "HTTP2", TLS: trusted}, respond(ok), "the endpoint does not speak HTTP/2"},
		{"a reset fails at once", health.Check{Type: "TCP", Response: "220"}, reset, "connection reset"},
		{"a timeout is a failure", health.Check{Type: "HTTP", Timeout: short}, untilGone, "timeout after 100ms"},
	} {
		t.Run(c.row, func(t *testing.T) {
			addr := tcpEndpoint(t, c.serve)
			if c.check.TLS != nil {
				addr = secured(t, config, c.serve)
			}
			expect(t, check(t, c.check, addr), c.reason)
		})
	}
	t.Run("no connection is refused at once", func(t *testing.T) {
		addr := testkit.FreeAddr(t)
		for _, kind := range health.Types() {
			expect(t, check(t, health.Check{Type: kind}, addr), "connection refused")
		}
	})
}

// TestProxyHeaderComesFirst reads what an endpoint gets that expects the PROXY protocol, before TLS where there is any.
func TestProxyHeaderComesFirst(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	for _, kind := range []string{"TCP", "SSL", "HTTP", "HTTPS"} {
		lines := make(chan string, 1)
		addr := tcpEndpoint(t, func(c net.Conn) {
			line := make([]byte, len("PROXY UNKNOWN\r\n"))
			_, _ = io.ReadFull(c, line)
			lines <- string(line)
			k := health.Check{Type: kind}
			if strings.HasSuffix(kind, "S") || kind == "SSL" {
				k.TLS = config
				c = tls.Server(c, config)
			}
			if strings.HasPrefix(kind, "HTTP") {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
			untilGone(c)
		})
		k := health.Check{Type: kind, ProxyHeader: "proxy_v1"}
		if kind == "SSL" || kind == "HTTPS" {
			k.TLS = &tls.Config{RootCAs: certs.Pool}
		}
		expect(t, check(t, k, addr), "")
		if line := <-lines; line != "PROXY UNKNOWN\r\n" {
			t.Errorf("%s: it began with %q", kind, line)
		}
	}
}

// TestStateMachine is the table of spec.md §8.3, row by row. What is DRAINING is lb's to say: see its test of this name.
func TestStateMachine(t *testing.T) {
	o, f, s := health.Result{OK: true}, health.Result{Reason: "refused"}, health.Result{Timeout: true, Reason: "silent"}
	for _, c := range []struct {
		row     string
		check   health.Check
		results []health.Result
		want    string
	}{
		{"UNKNOWN, no result", health.Check{}, nil, "UNKNOWN"},
		{"UNKNOWN, first success, fastStart", health.Check{HealthyThreshold: 3}, []health.Result{o}, "HEALTHY"},
		{"UNKNOWN, successes below healthyThreshold", health.Check{HealthyThreshold: 3, StrictStart: true}, []health.Result{o, o}, "UNKNOWN"},
		{"UNKNOWN, healthyThreshold successes", health.Check{HealthyThreshold: 3, StrictStart: true}, []health.Result{o, o, o}, "HEALTHY"},
		{"UNKNOWN, one opposite result resets", health.Check{HealthyThreshold: 2, StrictStart: true}, []health.Result{o, f, o}, "UNKNOWN"},
		{"UNKNOWN, unhealthyThreshold failures", health.Check{}, []health.Result{s, f}, "UNHEALTHY"},
		{"UNKNOWN, unhealthyThreshold failures, the last a timeout", health.Check{}, []health.Result{f, s}, "TIMEOUT"},
		{"HEALTHY, streak below unhealthyThreshold", health.Check{UnhealthyThreshold: 3}, []health.Result{o, f, f}, "HEALTHY"},
		{"HEALTHY, one opposite result resets", health.Check{}, []health.Result{o, f, o, f}, "HEALTHY"},
		{"HEALTHY, streak reached", health.Check{}, []health.Result{o, s, f}, "UNHEALTHY"},
		{"HEALTHY, streak reached by a timeout", health.Check{}, []health.Result{o, f, s}, "TIMEOUT"},
		{"UNHEALTHY, successes below healthyThreshold", health.Check{}, []health.Result{f, f, o}, "UNHEALTHY"},
		{"UNHEALTHY, healthyThreshold successes in a row", health.Check{}, []health.Result{f, f, o, o}, "HEALTHY"},
		{"UNHEALTHY, one opposite result resets", health.Check{}, []health.Result{f, f, o, f, o}, "UNHEALTHY"},
		{"TIMEOUT, healthyThreshold successes in a row", health.Check{}, []health.Result{s, s, o, o}, "HEALTHY"},
		{"our own want of descriptors is no result", health.Check{UnhealthyThreshold: 1}, []health.Result{o, {Inconclusive: true}}, "HEALTHY"},
	} {
		t.Run(c.row, func(t *testing.T) {
			m := health.NewMachine(c.check)
			for _, r := range c.results {
				m.Apply(r)
			}
			if got := m.Status().String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestT13 is test vector T13 of spec.md §14.
func TestT13(t *testing.T) {
	if err := (health.Check{CheckInterval: 5 * time.Second, Timeout: 6 * time.Second}).Validate(); err == nil || !strings.Contains(err.Error(), "timeout must be <= check_interval") {
		t.Error(err)
	}
}

// TestFlapDampingDoublesTheHoldDown lets an endpoint fall again and again, and notes how long each time it is kept down
// (spec.md §11.1): 1, 2, 4 … intervals, a minute at most, and one again after ten minutes of health.
func TestFlapDampingDoublesTheHoldDown(t *testing.T) {
	const interval = 5 * time.Second
	now := time.Unix(1_000_000, 0)
	m := health.NewMachine(health.Check{CheckInterval: interval, FlapDamping: true, HealthyThreshold: 1, UnhealthyThreshold: 1})
	apply := func(r health.Result) {
		now = now.Add(interval)
		m.ApplyAt(r, now)
	}
	apply(health.Result{OK: true})
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60, 5, 10} {
		if i == 6 {
			for begin := now; now.Sub(begin) < 10*time.Minute; {
				apply(health.Result{OK: true})
			}
		}
		apply(health.Result{Reason: "refused"})
		fell := now
		for m.Status() != health.Healthy {
			apply(health.Result{OK: true})
			if now.Sub(fell) > time.Hour {
				t.Fatal("it never rises again")
			}
			if m.Status() != health.Healthy && m.Reason() != fmt.Sprintf("flaps: kept down for %v from its fall", want*time.Second) {
				t.Errorf("fall %d: reason %q", i, m.Reason())
			}
		}
		if down := now.Sub(fell); down != want*time.Second || m.Reason() != "" {
			t.Errorf("fall %d: down for %v, want %v; %q", i, down, want*time.Second, m.Reason())
		}
	}
}

// TestFlapDampingDoesNotHoldBackTheFirstHealth: to be found ill at the start is no fall.
func TestFlapDampingDoesNotHoldBackTheFirstHealth(t *testing.T) {
	m := health.NewMachine(health.Check{FlapDamping: true, HealthyThreshold: 1, UnhealthyThreshold: 1})
	now := time.Unix(1_000_000, 0)
	m.ApplyAt(health.Result{Reason: "refused"}, now)
	m.ApplyAt(health.Result{OK: true}, now.Add(time.Millisecond))
	if m.Status() != health.Healthy {
		t.Errorf("%v: %s", m.Status(), m.Reason())
	}
}
