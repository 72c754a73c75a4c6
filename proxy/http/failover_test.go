package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

func connectFailureGoesToTheNextEndpointWhateverTheMethod(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.Copy(w, r.Body) })
	b := d.start(t, []string{closedPort(t), closedPort(t), addr})
	c := b.dial()
	for range 6 {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "abc" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
	if log := b.log.String(); !strings.Contains(log, "connection_refused") || !strings.Contains(log, "another endpoint") {
		t.Errorf("the log does not explain: %s", log)
	}
}

func connectFailureGoesToTheNextEndpointWhileTheBodyIsStillComing(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			body := make([]byte, 6)
			io.ReadFull(r, body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n%s", body)
		}
	})
	b := d.start(t, []string{closedPort(t), closedPort(t), addr})
	for range 3 { // a round of ROUND_ROBIN
		c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
		time.Sleep(20 * time.Millisecond)
		c.send("def")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "abcdef" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
}

func timeThatIsUpIsNotTheFaultOfThoseWhoWereNotAsked(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t), closedPort(t), closedPort(t)}, withService(func(s *proxy.Service) { s.Timeout = time.Nanosecond }))
	resp, _ := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if resp.StatusCode != 504 {
		t.Errorf("got %d, want 504", resp.StatusCode)
	}
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0: nobody was asked", n)
	}
}

func nobodyToServeIs503(t *testing.T, d driver) {
	b := d.start(t, nil)
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, body := c.response("GET")
	if resp.StatusCode != 503 || body != "no healthy endpoint\n" || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_unavailable") {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") // the connection is still good
	c.response("GET")
}
