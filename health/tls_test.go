package health_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// secured runs an endpoint whose TLS connections are each handed to serve.
func secured(t *testing.T, config *tls.Config, serve func(net.Conn)) string {
	return tcpEndpoint(t, func(c net.Conn) {
		if s := tls.Server(c, config); s.Handshake() == nil {
			serve(s)
			s.Close()
		}
	})
}

func TestChecksOverTLSVerifyTheEndpoint(t *testing.T) {
	certs := testkit.NewCertificates(t)
	good := certs.Server("127.0.0.1", "a.example.com").TLS
	expired := certs.Issue(testkit.CertificateRequest{
		Names: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	}).TLS
	for _, c := range []struct {
		name   string
		server tls.Certificate
		tls    *tls.Config
		want   string // the reason; "": healthy
	}{
		{"its address", good, &tls.Config{RootCAs: certs.Pool}, ""},
		{"its name", good, &tls.Config{RootCAs: certs.Pool, ServerName: "a.example.com"}, ""},
		{"another name", good, &tls.Config{RootCAs: certs.Pool, ServerName: "b.example.com"}, "not b.example.com"},
		{"the system's authorities", good, new(tls.Config), "unknown authority"},
		{"expired", expired, &tls.Config{RootCAs: certs.Pool}, "expired"},
		{"nobody asks", expired, &tls.Config{InsecureSkipVerify: true}, ""},
		{"by default", expired, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := secured(t, &tls.Config{Certificates: []tls.Certificate{c.server}}, func(c net.Conn) {
				p := make([]byte, 4)
				if n, _ := io.ReadFull(c, p); string(p[:n]) == "PING" {
					io.WriteString(c, "PONG")
				} else if string(p[:n]) == "GET " {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			for _, k := range []health.Check{
				{Type: "SSL", TLS: c.tls},
				{Type: "ssl", TLS: c.tls, Request: "PING", Response: "PONG"},
				{Type: "HTTPS", TLS: c.tls, Response: "ok"},
			} {
				r := check(t, k, addr)
				if r.OK != (c.want == "") || !strings.Contains(r.Reason, c.want) {
					t.Errorf("%s: %+v, want %q", k.Type, r, c.want)
				}
			}
		})
	}
}

func TestChecksOverTLSShowAClientCertificate(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{
		Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: certs.Pool,
	}
	addr := secured(t, config, func(c net.Conn) { io.WriteString(c, "hello") })
	with := &tls.Config{RootCAs: certs.Pool, Certificates: []tls.Certificate{certs.Client("proxy").TLS}}
	if r := check(t, health.Check{Type: "SSL", TLS: with, Response: "hello"}, addr); !r.OK {
		t.Errorf("with a certificate: %+v", r)
	}
	if r := check(t, health.Check{Type: "SSL", TLS: &tls.Config{RootCAs: certs.Pool}, Response: "hello"}, addr); r.OK || !strings.Contains(r.Reason, "certificate required") {
		t.Errorf("without: %+v", r)
	}
}

func TestChecksOverTLSFailWhereThereIsNone(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	silent := tcpEndpoint(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	closing := tcpEndpoint(t, func(c net.Conn) { c.Read(make([]byte, 4<<10)) })
	for addr, want := range map[string]string{
		web.Listener.Addr().String(): "does not look like a TLS handshake",
		closing:                      "connection closed in the TLS handshake",
		silent:                       "timeout after 50ms",
	} {
		for _, kind := range []string{"SSL", "HTTPS"} {
			timeout := 5 * time.Second
			if addr == silent {
				timeout = 50 * time.Millisecond
			}
			r := check(t, health.Check{Type: kind, Timeout: timeout}, addr)
			if r.OK || !strings.Contains(r.Reason, want) || r.Timeout != (addr == silent) {
				t.Errorf("%s: %+v, want %q", kind, r, want)
			}
		}
	}
}
