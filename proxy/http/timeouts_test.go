package http_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// silent is an endpoint that reads and says nothing.
func silent(t *testing.T) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
}

func noResponseInTimeIs504(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
		io.Copy(io.Discard, r)
	})
	b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = 300 * time.Millisecond }))
	c := b.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET") // so that there is a connection
	resp, _ := c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if resp.StatusCode != 504 || !strings.Contains(resp.Header.Get("Proxy-Status"), "http_response_timeout") {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
	if b.failures() != 1 {
		t.Error("a timeout is the endpoint's failure")
	}
}

func routesTimeoutStandsInForTheServices(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withRoute(func(r *proxy.Route) { r.Timeout = 100 * time.Millisecond }))
	if resp, _ := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode != 504 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func bodyThatDoesNotComeIs408(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond }))
	c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
	if resp, _ := c.response("POST"); resp.StatusCode != 408 {
		t.Errorf("got %d", resp.StatusCode)
	}
	b.active(0)
	if b.failures() != 0 {
		t.Error("the client was slow, and the endpoint was blamed")
	}
}

func responseThatStopsIsCut(t *testing.T, d driver) {
	stops := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
		io.Copy(io.Discard, r)
	})
	b := d.start(t, []string{stops}, withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nabc") {
		t.Errorf("got %q", got)
	}
}

func slowHeadIs408(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = 100 * time.Millisecond }))
	c := b.dial().send("GET / HTTP/1.1\r\nHo")
	if resp, _ := c.response("GET"); resp.StatusCode != 408 {
		t.Errorf("got %d", resp.StatusCode)
	}
	c.closed()
}

func idleClientIsClosed(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.KeepaliveTimeout = 50 * time.Millisecond }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	c.closed()
}
