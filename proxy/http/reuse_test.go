package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func endpointConnectionIsReused(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	for range 3 { // connections of clients
		c := b.dial()
		for range 3 {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
				t.Fatalf("got %d %q", resp.StatusCode, body)
			}
		}
	}
	if n := e.conns.Load(); n > d.pools {
		t.Errorf("nine requests took %d connections to the endpoint, want %d", n, d.pools)
	}
}

func pipelinedRequestsAreAnsweredInOrder(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	b := d.start(t, []string{addr})
	c := b.dial().send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"/1 ", "/2 abc", "/3 de", "/4 "} {
		if _, body := c.response("GET"); body != want {
			t.Fatalf("got %q, want %q", body, want)
		}
	}
	c.closed()
}

func staleConnectionIsReplacedForWhatMayBeSentTwice(t *testing.T, d driver) {
	// The endpoint answers once on each connection, and on the second request
	// closes it without an answer.
	var requests atomic.Int64
	addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		requests.Add(1)
		io.WriteString(c, ok)
		readHead(r)
		requests.Add(1)
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	for range 2 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, _ := c.response("GET"); resp.StatusCode != 200 {
			t.Fatalf("GET: got %d", resp.StatusCode)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("the endpoint saw %d requests, want 3: one was sent twice", n)
	}
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	resp, _ := c.response("POST")
	if resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=connection_terminated") {
		t.Errorf("POST: got %d %v, want 502: it must not be sent twice", resp.StatusCode, resp.Header)
	}
	if n := requests.Load(); n != 4 {
		t.Errorf("the endpoint saw %d requests, want 4", n)
	}
}

func connectionClosedWhileIdleIsNotUsed(t *testing.T, d driver) {
	idle, gone := make(chan bool), make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
		<-idle
		c.Close()
		gone <- true
	})
	c := d.start(t, []string{addr}).dial()
	for range 3 {
		c.send(post("Content-Length: 0\r\n"))
		if resp, _ := c.response("POST"); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
		idle <- true
		<-gone
	}
}

// Bytes that are still on their way when the next request goes out cannot be told from
// its response. On a busy machine that takes longer.
func lateBytesPoisonNobody(t *testing.T, d driver) {
	for pause := 20 * time.Millisecond; ; pause *= 8 {
		body := afterLateBytes(t, d, pause)
		if body == "ok" {
			return
		}
		if body != "poison" || pause > 5*time.Second {
			t.Fatalf("%v after the bytes were sent: got %q", pause, body)
		}
	}
}

// afterLateBytes is what a client gets some time after bytes that nobody asked for.
func afterLateBytes(t *testing.T, d driver, pause time.Duration) (body string) {
	answered, late := make(chan struct{}), make(chan struct{})
	addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
		if n == 0 {
			<-answered
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
			close(late)
		}
		readHead(r)
	})
	c := d.start(t, []string{addr}).dial()
	c.send(get("")).response("GET")
	close(answered)
	<-late
	time.Sleep(pause)
	_, body = c.send(get("")).response("GET")
	return body
}

func bytesOfATunnelAreNotTheNextRequests(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", echo)})
	for range 3 {
		c := b.upgrade("early")
		c.expect("early")
		c.CloseWrite()
		c.end()
		b.active(0)
		c = b.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		c.response("GET")
		c.closed()
	}
	b.end()
	for line := range strings.Lines(b.access.String()) {
		if strings.Contains(line, `"status":200`) && !strings.Contains(line, `"bytes_in":0,`) {
			t.Errorf("a request without a body brought bytes: %s", line)
		}
	}
}

func lastResponseIsFollowedByAnEndAndNotAReset(t *testing.T, d driver) {
	more := make(chan struct{})
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		<-more
		io.WriteString(c, ok)
	})
	c := d.start(t, []string{addr}).dial().send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	time.Sleep(20 * time.Millisecond)
	c.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	close(more)
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	c.end()
}

// Half a head that was not read when the reset comes was never there, and the request
// goes out again. On a busy machine that takes longer.
func halfAHeadIsNotPartOfTheNextResponse(t *testing.T, d driver) {
	for pause := 50 * time.Millisecond; !halfAHeadWasRead(t, d, pause); pause *= 8 {
		if pause > 5*time.Second {
			t.Fatalf("the endpoint was asked again, %v after half an answer", pause)
		}
	}
}

// halfAHeadWasRead reports false if it was not, within this time.
func halfAHeadWasRead(t *testing.T, d driver, pause time.Duration) bool {
	var requests atomic.Int64
	addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		requests.Add(1)
		io.WriteString(c, ok)
		if readHead(r) == "" {
			return
		}
		requests.Add(1)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Half: ")
		time.Sleep(pause) // let it be read
		c.(*net.TCPConn).SetLinger(0)
	})
	b := d.start(t, []string{addr})
	c := b.dial().send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	c.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, body := c.response("GET")
	if resp.Header.Get("X-Half") != "" {
		t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, body)
	}
	if requests.Load() == 3 && resp.StatusCode == 200 {
		return false
	}
	if resp.StatusCode != 502 {
		t.Errorf("got %d %v %q, want 502", resp.StatusCode, resp.Header, body)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the endpoint saw %d requests, want 2", n)
	}
	if b.failures() != 1 {
		t.Errorf("%d failures, want 1", b.failures())
	}
	return true
}

func bytesBehindAResponseReachNobody(t *testing.T, d driver) {
	e := answer(t, ok+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
	c := d.start(t, []string{e.addr}).dial()
	for range 3 {
		c.send(get("")).expect(ok)
	}
	c.send(get("Connection: close\r\n")).expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	c.end()
	if n, m := e.requests.Load(), e.conns.Load(); n != 4 || m != 4 {
		t.Errorf("%d requests took %d connections to the endpoint, want 4 and 4", n, m)
	}
}

// Two 32 KiB windows a connection would be 19 MiB for these.
func idleConnectionsHoldNoBuffers(t *testing.T, d driver) {
	const clients = 300
	b := d.start(t, []string{scripted(t, sayOK)})
	c := b.dial()
	c.send(get("")).expect(ok) // so that what is made once is made
	before := heap()
	for range clients {
		c, err := b.connect()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, get(""))
		if _, err := io.ReadFull(c, make([]byte, len(ok))); err != nil {
			t.Fatal(err)
		}
	}
	most := int64(8 << 10) // the client lives here, too
	if d.tls {
		most = 20 << 10 // with what two ends of TLS keep of a handshake
	}
	if each := (heap() - before) / clients; each > most {
		t.Errorf("%d bytes of heap per idle connection", each)
	} else {
		t.Logf("%d bytes of heap per idle connection", each)
	}
}
