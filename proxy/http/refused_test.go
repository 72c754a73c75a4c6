package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// smuggled is what a refused request must not hide.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

// get and post are heads with these other fields.
func get(fields string) string  { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }
func post(fields string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }

// refusals are requests that nobody may forward, by the status of their answer.
var refusals = map[int][]string{
	400: {
		// Lines.
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/1.1\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\n" + smuggled,
		"GET / HTTP/1.1\rHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
		"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		get("X: a\rb\r\n"),
		get("X: a\nb\r\n"),
		get("X: a\r\r\n"),
		get("X: a\x00b\r\n"),
		get("X: a\x01\r\n"),
		get("X: a\x7f\r\n"),
		// Fields.
		get("X: a\r\n b\r\n"),
		get("X: a\r\n\tb\r\n"),
		get("Transfer-Encoding:\r\n chunked\r\n"),
		"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
		get("X : a\r\n"),
		get("X\t: a\r\n"),
		get("X Y: a\r\n"),
		get("X(Y): a\r\n"),
		get("X\x00: a\r\n"),
		get("\xe9: a\r\n"),
		get(": a\r\n"),
		get("X\r\n"),
		get("Connection: a b\r\n"),
		// Start lines.
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
		"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
		" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\r\n\r\n",
		"GET HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / http/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTPS/1.1\r\nHost: a\r\n\r\n",
		"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 hello, this is TLS\r\n\r\n",
		"SSH-2.0-OpenSSH_9.6\r\n\r\n",
		// Who is asked.
		"GET / HTTP/1.1\r\n\r\n",
		get("Host: a\r\n"),
		get("host: b\r\n"),
		"GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
		"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\n\r\n",
		// Where the body ends.
		post("Content-Length: 1\r\nContent-Length: 2\r\n"),
		post("Content-Length: 1\r\nContent-Length: 1\r\n"),
		post("Content-Length: 1, 1\r\n"),
		post("Content-Length: +1\r\n"),
		post("Content-Length: -1\r\n"),
		post("Content-Length: 0x1\r\n"),
		post("Content-Length: 1 1\r\n"),
		post("Content-Length: 1;\r\n"),
		post("Content-Length:\r\n"),
		post("Content-Length: 9223372036854775808\r\n"),
		post("Content-Length: 99999999999999999999\r\n"),
		post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n",
		post("Transfer-Encoding: identity\r\n"),
		post("Transfer-Encoding: gzip\r\n"),
		post("Transfer-Encoding: chunked, chunked\r\n"),
		post("Transfer-Encoding: chunked, gzip\r\n"),
		post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
		post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
		post("Transfer-Encoding: xchunked\r\n"),
		post("Transfer-Encoding: \"chunked\"\r\n"),
		post("Transfer-Encoding: chunked;q=1\r\n"),
		post("Transfer-Encoding: , chunked\r\n"),
		post("Transfer-Encoding:\r\n"),
		"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	},
	404: {"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"},
	413: {post("Content-Length: 11\r\n") + "01234567890", post("Content-Length: 9223372036854775807\r\n")},
	414: {"GET /" + strings.Repeat("x", 8000) + " HTTP/1.1\r\nHost: a\r\n\r\n"},
	417: {post("Expect: 200-ok\r\nContent-Length: 2\r\n")},
	431: {get("X: " + strings.Repeat("x", 8000) + "\r\n"), get(strings.Repeat("X:\r\n", 256))},
	501: {
		"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
		post("Transfer-Encoding: gzip, chunked\r\n"),
	},
	505: {
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
		"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	},
}

func requestsThatAreRefusedReachNobody(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr},
		withSettings(func(s *proxyhttp.Settings) { s.MaxHeaderBytes = 4096 }),
		withRoute(func(r *proxy.Route) { r.Host, r.MaxBodyBytes = "a", 10 }))
	for status, requests := range refusals {
		for _, request := range requests {
			c := b.dial().send(request + smuggled)
			resp, _ := c.response("GET")
			if resp.StatusCode != status || !resp.Close || !strings.HasPrefix(resp.Header.Get("Proxy-Status"), "spillway; error=") {
				t.Errorf("%.60q: got %d %q, close %v, want %d", request, resp.StatusCode, resp.Header.Get("Proxy-Status"), resp.Close, status)
			}
			if rest := c.all(); rest != "" {
				t.Errorf("%.60q: after the response came %q, want the end", request, rest)
			}
			c.Close()
		}
	}
	if n := e.requests.Load(); n != 0 {
		t.Errorf("%d refused requests reached the endpoint: %q", n, <-e.heads)
	}
	b.active(0)
}

// The limits are the last that pass.
func headsAtTheLimitsPass(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.MaxHeaderBytes = 100_000 }))
	large := get("X: \r\n")
	large = get("X: " + strings.Repeat("x", 100_000-len(large)) + "\r\n")
	for request, status := range map[string]int{
		large:                                  200,
		strings.Replace(large, "xx", "xxx", 1): 431,
		get(strings.Repeat("X:\r\n", 255)):     200,
		get(strings.Repeat("X:\r\n", 256)):     431,
		"\r\n" + get(""):                       200, // RFC 9112 §2.2
	} {
		if resp, _ := b.dial().send(request).response("GET"); resp.StatusCode != status {
			t.Errorf("%d bytes, %d fields: got %d, want %d", len(request), strings.Count(request, "\n")-2, resp.StatusCode, status)
		}
	}
}

// badBodies are wire forms of chunked bodies that have something wrong with them.
var badBodies = []string{
	"xyz\r\n",
	"\r\n",
	" 5\r\nhello\r\n0\r\n\r\n",
	"5 \r\nhello\r\n0\r\n\r\n",
	"5\t;x\r\nhello\r\n0\r\n\r\n",
	"+5\r\nhello\r\n0\r\n\r\n",
	"-5\r\nhello\r\n0\r\n\r\n",
	"0x5\r\nhello\r\n0\r\n\r\n",
	"5\nhello\r\n0\r\n\r\n",
	"5\r\nhello\n0\r\n\r\n",
	"5\r\nhello0\r\n\r\n",
	"5\r\nhelloX\r\n0\r\n\r\n",
	"5\r\nhello\r\n0\n\r\n",
	"5\r\nhello\r\n0\r\n\n",
	"5\rXhello\r\n0\r\n\r\n",
	"5;a\x00b\r\nhello\r\n0\r\n\r\n",
	"5;a\nb\r\nhello\r\n0\r\n\r\n",
	"8000000000000000\r\n",
	"10000000000000000\r\n",
	"00000000000000005\r\nhello\r\n0\r\n\r\n",
	"5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n",
	strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\nx\r\n", 30) + "0\r\n\r\n",
	"0\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n",
	"0\r\n" + strings.Repeat("X: y\r\n", 2000) + "\r\n",
	"0\r\nContent-Length: 5\r\n\r\n",
	"0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"0\r\nhost: b\r\n\r\n",
	"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
	"0\r\nAuthorization: x\r\n\r\n",
	"0\r\nConnection: close\r\n\r\n",
	"0\r\nX : y\r\n\r\n",
	"0\r\nX: y\r\n z\r\n\r\n",
	"0\r\nX: y\n\r\n",
	"0\r\nX\r\n\r\n",
}

// gathering is an endpoint that wants all of a body before it answers, and
// counts those it got.
func gathering(t *testing.T, whole *atomic.Int64) string {
	return endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			panic(nethttp.ErrAbortHandler)
		}
		whole.Add(1)
	})
}

// uncritical is one that takes whatever comes, and counts bodies that have an end.
func uncritical(t *testing.T, whole *atomic.Int64) string {
	return scripted(t, func(_ int, _ net.Conn, r *bufio.Reader) {
		got, _ := io.ReadAll(r)
		if _, body, _ := strings.Cut(string(got), "\r\n\r\n"); strings.HasSuffix(body, "\r\n\r\n") {
			whole.Add(1)
		}
	})
}

func badBodiesAre400AndNeverWhole(t *testing.T, d driver) {
	var whole atomic.Int64
	b := d.start(t, []string{gathering(t, &whole)})
	patient := d.start(t, []string{uncritical(t, &whole)})
	for _, body := range badBodies {
		b := b
		if len(body) > 4<<10 { // package net/http may find it too long before we do
			b = patient
		}
		c := b.dial().send(post("Transfer-Encoding: chunked\r\n") + body + smuggled)
		if resp, _ := c.response("POST"); resp.StatusCode != 400 || !resp.Close {
			t.Errorf("%.60q: got %d, close %v", body, resp.StatusCode, resp.Close)
		}
		c.CloseWrite()
		c.closed()
	}
	for _, b := range []*bench{b, patient} {
		b.active(0)
		if b.failures() != 0 {
			t.Error("the client's mistake was the endpoint's failure")
		}
	}
	if n := whole.Load(); n != 0 {
		t.Errorf("%d bodies came to the endpoint as if they were whole", n)
	}
}

func bodiesBeyondTheLimitAre413(t *testing.T, d driver) {
	var whole atomic.Int64
	b := d.start(t, []string{gathering(t, &whole)}, withRoute(func(r *proxy.Route) { r.MaxBodyBytes = 10 }))
	for chunks, status := range map[string]int{
		"b\r\n0123456789a":                        413,
		"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n": 413,
		"5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n":   200,
		"xyz\r\n":                                 400,
	} {
		c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
		resp, _ := c.response("POST")
		if resp.StatusCode != status || resp.Close != (status != 200) {
			t.Errorf("%q: got %d, close %v; want %d", chunks, resp.StatusCode, resp.Close, status)
		}
	}
	b.active(0)
	if n, m := b.failures(), whole.Load(); n != 0 || m != 1 {
		t.Errorf("%d failures and %d whole bodies, want 0 and 1", n, m)
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

// badHeads are responses whose heads nobody may relay.
var badHeads = []string{
	"garbage\r\n\r\n",
	"\r\n" + ok,
	"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
	"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"ICY 200 OK\r\n\r\n",
	"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200\tOK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX : y\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n z\r\n\r\n",
	"HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\rz\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\x00\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	"HTTP/1.1 200 OK\r\n" + strings.Repeat("X:\r\n", 257) + "\r\n",
	"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	"HTTP/1.1 200 O",
	"",
}

func badResponsesAre502(t *testing.T, d driver) {
	for _, reply := range badHeads {
		b := d.start(t, []string{saying(t, reply)})
		if resp, _ := b.dial().send(get("")).response("GET"); resp.StatusCode != 502 {
			t.Errorf("%.60q: got %d", reply, resp.StatusCode)
		}
		b.active(0)
		if b.failures() != 1 {
			t.Errorf("%.60q: %d failures, want 1", reply, b.failures())
		}
	}
}

// saying is an endpoint that answers one request, and says no more.
func saying(t *testing.T, reply string) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, reply)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, r)
	})
}

func switchToWhatWasNotAskedForIs502(t *testing.T, d driver) {
	for _, fields := range []string{
		"Connection: Upgrade\r\nUpgrade: h2c\r\n",
		"Connection: Upgrade\r\nUpgrade: other\r\n",
		"Connection: Upgrade\r\n",
		"Upgrade: websocket\r\n",
		"",
	} {
		b := d.start(t, []string{saying(t, "HTTP/1.1 101 Switching Protocols\r\n"+fields+"\r\nhello")})
		if resp, _ := b.dial().send(asking).response("GET"); resp.StatusCode != 502 {
			t.Errorf("%q: got %d", fields, resp.StatusCode)
		}
	}
}

// The head was relayed before anybody could know.
func badBodiesOfResponsesLookCut(t *testing.T, d driver) {
	for _, body := range badBodies {
		b := d.start(t, []string{saying(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body)})
		c := b.dial().send(get(""))
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%.60q: %v", body, err)
		}
		if resp.StatusCode != 502 {
			if got, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%.60q: %q ended as if it were whole", body, got)
			}
		}
		b.active(0)
		if b.failures() != 1 {
			t.Errorf("%.60q: %d failures, want 1", body, b.failures())
		}
	}
}
