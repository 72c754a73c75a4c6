package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func requestsThatAreRefused(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr},
		withSettings(func(s *proxyhttp.Settings) { s.MaxHeaderBytes = 1024 }),
		withRoute(func(r *proxy.Route) { r.Host, r.MaxBodyBytes = "a", 10 }))
	for _, tc := range []struct {
		name, send string
		status     int
	}{
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
		{"length and chunks", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		{"large head", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2000) + "\r\n\r\n", 431},
		{"large body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890", 413},
		{"no route", "GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", 404},
	} {
		c := b.dial().send(tc.send)
		resp, _ := c.response("GET")
		if resp.StatusCode != tc.status || !strings.HasPrefix(resp.Header.Get("Proxy-Status"), "spillway; error=") {
			t.Errorf("%s: got %d %q, want %d", tc.name, resp.StatusCode, resp.Header.Get("Proxy-Status"), tc.status)
		}
		if rest := c.all(); rest != "" {
			t.Errorf("%s: after the response came %q, want the end", tc.name, rest)
		}
	}
	if n := e.requests.Load(); n != 0 {
		t.Errorf("%d refused requests reached the endpoint", n)
	}
	b.active(0)
}

// What is wrong with a body may show only after its head went out; the endpoint
// of this test wants all of it before it answers.
func bodiesThatAreRefused(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			panic(nethttp.ErrAbortHandler)
		}
	})
	b := d.start(t, []string{addr}, withRoute(func(r *proxy.Route) { r.MaxBodyBytes = 10 }))
	for chunks, status := range map[string]int{
		"xyz\r\n": 400,
		"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n": 413,
		"5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n":   200,
	} {
		c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
		resp, _ := c.response("POST")
		if resp.StatusCode != status || resp.Close != (status != 200) {
			t.Errorf("%q: got %d, close %v; want %d", chunks, resp.StatusCode, resp.Close, status)
		}
	}
	b.active(0)
	if b.failures() != 0 {
		t.Error("the client's mistake was the endpoint's failure")
	}
}

func badChunkAfterTheHeadWentOutIsStill400(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	b := d.start(t, []string{addr})
	c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	b.active(1)
	c.send("zz\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 400 {
		t.Errorf("got %d", resp.StatusCode)
	}
	b.active(0)
	if b.failures() != 0 {
		t.Error("the client's mistake was the endpoint's failure")
	}
}

func badResponsesAre502(t *testing.T, d driver) {
	for _, reply := range []string{
		"garbage\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100000) + "\r\n\r\n",
		"HTTP/1.1 200 O",
	} {
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, reply)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, r)
		})
		b := d.start(t, []string{addr})
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, _ := c.response("GET"); resp.StatusCode != 502 {
			t.Errorf("%.40q: got %d", reply, resp.StatusCode)
		}
		if b.failures() != 1 {
			t.Errorf("%.40q: %d failures, want 1", reply, b.failures())
		}
	}
}
