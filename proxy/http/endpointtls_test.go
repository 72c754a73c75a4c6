package http_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// overTLS runs an endpoint that calls f with each connection whose handshake went
// well, and with the connection below it.
func overTLS(t *testing.T, config *tls.Config, f func(c *tls.Conn, below net.Conn)) string {
	t.Helper()
	return scripted(t, func(_ int, below net.Conn, _ *bufio.Reader) {
		c := tls.Server(below, config)
		if c.Handshake() != nil {
			io.Copy(io.Discard, below) // a close with bytes unread would be a reset, which may overtake the alert
			return
		}
		f(c, below)
	})
}

func to(s *proxy.EndpointTLS) option {
	return withService(func(service *proxy.Service) { service.TLS = s })
}

func TestABodyUntilCloseEndsWithACloseNotifyOnly(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	for name, well := range map[string]bool{"a close_notify": true, "an end below TLS": false} {
		t.Run(name, func(t *testing.T) {
			addr := overTLS(t, config, func(c *tls.Conn, below net.Conn) {
				readHead(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nhalf of it?")
				if well {
					c.CloseWrite()
				}
				below.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, below)
			})
			b := drivers[0].start(t, []string{addr}, to(&proxy.EndpointTLS{Roots: certs.Pool}))
			c := b.dial().send(get("Connection: close\r\n"))
			got, _ := io.ReadAll(c)
			whole := strings.HasSuffix(string(got), "half of it?\r\n0\r\n\r\n")
			if whole != well || !strings.Contains(string(got), "half of it?") {
				t.Errorf("the client got %q", got)
			}
			b.active(0)
			if failed := b.failures() == 1; failed == well {
				t.Errorf("%d failures", b.failures())
			}
		})
	}
}

func TestARefusedClientCertificateIsAFailedConnect(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}, MinVersion: tls.VersionTLS13}
	answers := func(c *tls.Conn, _ net.Conn) {
		for r := bufio.NewReader(c); readHead(r) != ""; {
			io.WriteString(c, ok)
		}
	}
	picky := config.Clone()
	picky.ClientAuth, picky.ClientCAs = tls.RequireAndVerifyClientCert, certs.Pool
	strict, kind := overTLS(t, picky, answers), overTLS(t, config, answers)
	b := drivers[0].start(t, []string{strict, kind}, to(&proxy.EndpointTLS{Roots: certs.Pool}))
	for range 4 { // whatever the method: nobody has read it
		resp, body := b.dial().send(post("Content-Length: 0\r\nConnection: close\r\n")).response("POST")
		if resp.StatusCode != 200 || body != "ok" {
			t.Errorf("got %d %q, %s", resp.StatusCode, body, resp.Header["Proxy-Status"])
		}
	}
	if log := b.log.String(); !strings.Contains(log, "cause=tls_alert_received") || !strings.Contains(log, "certificate required") {
		t.Errorf("the log does not say why:\n%s", log)
	}

	b = drivers[0].start(t, []string{strict}, to(&proxy.EndpointTLS{Roots: certs.Pool}))
	resp, _ := b.dial().send(get("")).response("GET")
	if resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=tls_alert_received") {
		t.Errorf("got %d, %q", resp.StatusCode, resp.Header["Proxy-Status"])
	}
	own := []tls.Certificate{certs.Client("proxy").TLS}
	b = drivers[0].start(t, []string{strict}, to(&proxy.EndpointTLS{Roots: certs.Pool, Certificates: own}))
	b.dial().send(get("")).expect(ok)
}

func TestConnectionsFromBeforeAReloadOfTLSAreNotUsed(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	conns := make(chan bool, 10)
	addr := overTLS(t, config, func(c *tls.Conn, _ net.Conn) {
		conns <- true
		for r := bufio.NewReader(c); readHead(r) != ""; {
			io.WriteString(c, ok)
		}
	})
	b := drivers[0].start(t, []string{addr}, to(&proxy.EndpointTLS{InsecureSkipVerify: true}))
	c := b.dial()
	c.send(get("")).expect(ok)
	c.send(get("")).expect(ok)
	next := *b.service
	next.TLS = &proxy.EndpointTLS{Roots: certs.Pool}
	settings := *b.settings
	settings.Routes = proxy.NewRoutes(nil, &next)
	b.engine.SetSettings(&settings)
	c.send(get("")).expect(ok)
	if n := len(conns); n != 2 {
		t.Errorf("%d connections, want one for each", n)
	}
}
