package h1_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// lines makes a head of lines, and the other way round.
func lines(head string) string { return strings.ReplaceAll(head, "\n", "\r\n") }

func TestRequestIsForwarded(t *testing.T) {
	client := h1.Forward{Client: []byte("192.0.2.1"), Proto: "https"}
	trusted := client
	trusted.TrustForwarded = true
	rewritten := h1.Forward{Host: []byte("inner"), Target: []byte("/new?q"), Close: true}
	const own = "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: x\nVia: 1.1 spillway\n"
	for _, c := range []struct {
		promise   string
		f         h1.Forward
		head, out string
	}{
		{"Host comes first, the rest as it came", client,
			"GET /a%2fb?? HTTP/1.1\nb: 1\nA:two\nHOST: x\nb:  3\n\n",
			"GET /a%2fb?? HTTP/1.1\nHost: x\nb: 1\nA:two\nb:  3\n" + own + "\n"},
		{"Host is written in one way", client,
			"GET / HTTP/1.1\nHost:\t x \nA: b\n\n",
			"GET / HTTP/1.1\nHost: x\nA: b\n" + own + "\n"},
		{"an empty line before the request does not pass", client,
			"\nGET / HTTP/1.1\nHost: x\nA: b\n\n",
			"GET / HTTP/1.1\nHost: x\nA: b\n" + own + "\n"},
		{"1.0 becomes 1.1", client,
			"GET / HTTP/1.0\nHost: x\n\n",
			"GET / HTTP/1.1\nHost: x\n" + own + "\n"},
		{"1.0 without Host gets an empty one", h1.Forward{},
			"GET / HTTP/1.0\n\n",
			"GET / HTTP/1.1\nHost: \nVia: 1.1 spillway\n\n"},
		{"absolute form becomes origin form", client,
			"GET http://x?q HTTP/1.1\nHost: X\n\n",
			"GET /?q HTTP/1.1\nHost: x\n" + own + "\n"},
		{"asterisk stays", client,
			"OPTIONS http://x HTTP/1.1\nHost: x\n\n",
			"OPTIONS * HTTP/1.1\nHost: x\n" + own + "\n"},
		{"hop-by-hop fields end here", client,
			"GET / HTTP/1.1\nHost: x\nKeep-Alive: 5\nA: 1\nConnection: keep-alive, foo\nProxy-Connection: keep-alive\nTE: trailers\nFoo: 1\nB: 2\n" +
				"Upgrade: h2c\nHTTP2-Settings: AA\nProxy-Authorization: Basic QTpC\nfoo: 2\n\n",
			"GET / HTTP/1.1\nHost: x\nA: 1\nB: 2\n" + own + "\n"},
		{"Connection removes neither Host, framing nor forwarding fields", client,
			"POST / HTTP/1.1\nHost: x\nConnection: host, content-length, x-forwarded-for, x-forwarded-port, via, forwarded, cookie, authorization, x-real-ip\n" +
				"Content-Length: 3\nX-Forwarded-For: 10.0.0.1\nX-Forwarded-Port: 1\nVia: 1.0 a\nForwarded: for=a\nCookie: a=b\nAuthorization: c\nX-Real-IP: 9\n\n",
			"POST / HTTP/1.1\nHost: x\nContent-Length: 3\nX-Forwarded-Port: 1\nForwarded: for=a\nCookie: a=b\nAuthorization: c\nX-Real-IP: 9\n" +
				"X-Forwarded-For: 10.0.0.1, 192.0.2.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: x\nVia: 1.0 a, 1.1 spillway\n\n"},
		{"Connection cannot remove chunked", client,
			"POST / HTTP/1.1\nHost: x\nConnection: transfer-encoding\nTransfer-Encoding:  Chunked\nA: b\n\n",
			"POST / HTTP/1.1\nHost: x\nA: b\n" + own + "Transfer-Encoding: chunked\n\n"},
		{"lists of several lines become one", client,
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-For: a\nVia: 1.0 p, 1.1 q\nA: b\nx-forwarded-for: b, c\nX-Forwarded-For:\nvia: 2 r\n\n",
			"GET / HTTP/1.1\nHost: x\nA: b\nX-Forwarded-For: a, b, c, 192.0.2.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: x\nVia: 1.0 p, 1.1 q, 2 r, 1.1 spillway\n\n"},
		{"a stranger's claims are replaced", client,
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-Proto: spdy\nX-Forwarded-Host: evil\nX-Forwarded-Host: evil2\n\n",
			"GET / HTTP/1.1\nHost: x\n" + own + "\n"},
		{"a trusted proxy's claims are kept", trusted,
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: outer\n\n",
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-Proto: http\nX-Forwarded-Host: outer\nX-Forwarded-For: 9.9.9.9, 192.0.2.1\nVia: 1.1 spillway\n\n"},
		{"what a trusted proxy does not say is added", trusted,
			"GET / HTTP/1.1\nHost: x\n\n",
			"GET / HTTP/1.1\nHost: x\n" + own + "\n"},
		{"without Client X-Forwarded-For stays as it is", h1.Forward{},
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-For: a\nX-Forwarded-For: b\n\n",
			"GET / HTTP/1.1\nHost: x\nX-Forwarded-For: a\nX-Forwarded-For: b\nX-Forwarded-Host: x\nVia: 1.1 spillway\n\n"},
		{"target and Host can be rewritten", rewritten,
			"GET /old HTTP/1.1\nHost: x:8080\n\n",
			"GET /new?q HTTP/1.1\nHost: inner\nX-Forwarded-Host: x:8080\nVia: 1.1 spillway\nConnection: close\n\n"},
		{"length is canonical and in its place", h1.Forward{},
			"PUT / HTTP/1.1\nHost: x\nA: 1\nCONTENT-LENGTH:\t007 \nB: 2\n\n",
			"PUT / HTTP/1.1\nHost: x\nA: 1\nCONTENT-LENGTH: 7\nB: 2\nX-Forwarded-Host: x\nVia: 1.1 spillway\n\n"},
		{"an upgrade passes", client,
			"GET / HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: k\n\n",
			"GET / HTTP/1.1\nHost: x\nSec-WebSocket-Key: k\n" + own + "Connection: upgrade\nUpgrade: websocket\n\n"},
		{"an expectation passes", h1.Forward{},
			"PUT / HTTP/1.1\nHost: x\nConnection: expect\nExpect: 100-continue\nContent-Length: 1\nTrailer: T\n\n",
			"PUT / HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 1\nTrailer: T\nX-Forwarded-Host: x\nVia: 1.1 spillway\n\n"},
		{"an expectation without meaning does not pass", h1.Forward{},
			"PUT / HTTP/1.0\nHost: x\nExpect: 100-continue\nContent-Length: 1\n\n",
			"PUT / HTTP/1.1\nHost: x\nContent-Length: 1\nX-Forwarded-Host: x\nVia: 1.1 spillway\n\n"},
	} {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Request
			if _, err := r.Parse([]byte(lines(c.head)), h1.Limits{}); err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendTo([]byte("before"), &c.f)); got != "before"+lines(c.out) {
				t.Errorf("\n got %q\nwant %q", got, lines(c.out))
			}
		})
	}
}

func TestResponseIsForwarded(t *testing.T) {
	for _, c := range []struct {
		promise   string
		rep       h1.Reply
		method    string
		head, out string
	}{
		{"as it came", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 200 Fine\nb: 1\nA:2\nContent-Length: 3\nb: 3\n\n",
			"HTTP/1.1 200 Fine\nb: 1\nA:2\nContent-Length: 3\nb: 3\n\n"},
		{"1.0 becomes 1.1", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.0 200 OK\nContent-Length: 3\n\n",
			"HTTP/1.1 200 OK\nContent-Length: 3\n\n"},
		{"a reason may be missing", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 404\nContent-Length: 0\n\n",
			"HTTP/1.1 404 \nContent-Length: 0\n\n"},
		{"hop-by-hop fields end here", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 200 OK\nConnection: keep-alive, foo, set-cookie\nKeep-Alive: timeout=5\nFoo: 1\nSet-Cookie: a=b\nUpgrade: h2c\nTE: x\nProxy-Connection: close\nProxy-Authenticate: Basic\nContent-Length: 0\n\n",
			"HTTP/1.1 200 OK\nSet-Cookie: a=b\nContent-Length: 0\n\n"},
		{"chunked stays chunked, with its Trailer", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 200 OK\nTrailer: T\ntransfer-encoding: chunked\nA: b\n\n",
			"HTTP/1.1 200 OK\nTrailer: T\nA: b\nTransfer-Encoding: chunked\n\n"},
		{"an HTTP/1.0 client gets no chunks", h1.Reply{Dechunk: true, Close: true}, "GET",
			"HTTP/1.1 200 OK\nTrailer: T\nTransfer-Encoding: chunked\nA: b\n\n",
			"HTTP/1.1 200 OK\nA: b\nConnection: close\n\n"},
		{"a body until close becomes chunked", h1.Reply{Chunk: true, ClientMinor: 1}, "GET",
			"HTTP/1.0 200 OK\nTrailer: T\nA: b\n\n",
			"HTTP/1.1 200 OK\nA: b\nTransfer-Encoding: chunked\n\n"},
		{"an HTTP/1.0 client is told that the connection stays", h1.Reply{}, "GET",
			"HTTP/1.1 200 OK\nContent-Length: 1\n\n",
			"HTTP/1.1 200 OK\nContent-Length: 1\nConnection: keep-alive\n\n"},
		{"a cookie is added after others", h1.Reply{ClientMinor: 1, SetCookie: []byte("GCILB=x; Path=/")}, "GET",
			"HTTP/1.1 200 OK\nSet-Cookie: a=b\nContent-Length: 1\n\n",
			"HTTP/1.1 200 OK\nSet-Cookie: a=b\nContent-Length: 1\nSet-Cookie: GCILB=x; Path=/\n\n"},
		{"the answer to HEAD keeps its length", h1.Reply{ClientMinor: 1}, "HEAD",
			"HTTP/1.1 200 OK\nContent-Length: 99\n\n",
			"HTTP/1.1 200 OK\nContent-Length: 99\n\n"},
		{"304 keeps its length", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 304 Not Modified\nContent-Length: 99\nETag: \"a\"\n\n",
			"HTTP/1.1 304 Not Modified\nContent-Length: 99\nETag: \"a\"\n\n"},
		{"204 has no length", h1.Reply{ClientMinor: 1}, "GET",
			"HTTP/1.1 204 No Content\nContent-Length: 0\nA: b\n\n",
			"HTTP/1.1 204 No Content\nA: b\n\n"},
		{"interim responses say nothing about the connection", h1.Reply{Close: true, SetCookie: []byte("a=b")}, "GET",
			"HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: close\n\n",
			"HTTP/1.1 103 Early Hints\nLink: </a>\n\n"},
		{"a switch of protocols passes", h1.Reply{ClientMinor: 1, Close: true}, "GET",
			"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: k\n\n",
			"HTTP/1.1 101 Switching Protocols\nSec-WebSocket-Accept: k\nConnection: upgrade\nUpgrade: websocket\n\n"},
	} {
		t.Run(c.promise, func(t *testing.T) {
			var r h1.Response
			if _, err := r.Parse([]byte(lines(c.head)), []byte(c.method), h1.Limits{}); err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendTo([]byte("before"), &c.rep)); got != "before"+lines(c.out) {
				t.Errorf("\n got %q\nwant %q", got, lines(c.out))
			}
		})
	}
}

func TestReplyFollowsFromBothHeads(t *testing.T) {
	const chunked, length, none = "Transfer-Encoding: chunked\n", "Content-Length: 1\n", ""
	for _, c := range []struct {
		promise, request, fields string
		want                     h1.Reply
	}{
		{"1.1, length", "GET / HTTP/1.1\nHost: x\n\n", length, h1.Reply{ClientMinor: 1}},
		{"1.1, chunked", "GET / HTTP/1.1\nHost: x\n\n", chunked, h1.Reply{ClientMinor: 1}},
		{"1.1, until close", "GET / HTTP/1.1\nHost: x\n\n", none, h1.Reply{ClientMinor: 1, Chunk: true}},
		{"1.1, close", "GET / HTTP/1.1\nHost: x\nConnection: close\n\n", length, h1.Reply{ClientMinor: 1, Close: true}},
		{"1.0", "GET / HTTP/1.0\n\n", length, h1.Reply{Close: true}},
		{"1.0 keep-alive, length", "GET / HTTP/1.0\nConnection: keep-alive\n\n", length, h1.Reply{}},
		{"1.0 keep-alive, until close", "GET / HTTP/1.0\nConnection: keep-alive\n\n", none, h1.Reply{Close: true}},
		{"1.0 keep-alive, chunked", "GET / HTTP/1.0\nConnection: keep-alive\n\n", chunked, h1.Reply{Close: true, Dechunk: true}},
	} {
		var req h1.Request
		var resp h1.Response
		if _, err := req.Parse([]byte(lines(c.request)), h1.Limits{}); err != nil {
			t.Fatal(err)
		}
		if _, err := resp.Parse([]byte(lines("HTTP/1.1 200 OK\n"+c.fields+"\n")), req.Method, h1.Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := resp.ReplyTo(&req); got.Close != c.want.Close || got.Dechunk != c.want.Dechunk || got.Chunk != c.want.Chunk || got.ClientMinor != c.want.ClientMinor {
			t.Errorf("%s: %+v, want %+v", c.promise, got, c.want)
		}
	}
}

func TestAppendErrorIsAWholeResponse(t *testing.T) {
	got := string(h1.AppendError(nil, 504, "connection_timeout", "no answer\n", 0, true))
	want := lines("HTTP/1.1 504 Gateway Timeout\nContent-Type: text/plain; charset=utf-8\nContent-Length: 10\n"+
		"Proxy-Status: spillway; error=connection_timeout\nConnection: close\n\n") + "no answer\n"
	if got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	var r h1.Response
	for status := 200; status < 600; status++ {
		b := h1.AppendError(nil, status, "", "", 0, false)
		if n, err := r.Parse(b, []byte("POST"), h1.Limits{}); n != len(b) || err != nil || r.Status != status || r.Close {
			t.Fatalf("%d: n %d of %d, error %v", status, n, len(b), err)
		}
	}
}
