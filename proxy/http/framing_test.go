package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func requestReachesEndpointAndResponseClient(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header.Get("X-Forwarded-For")))
		w.Write(body)
	})
	b := d.start(t, []string{addr})
	c := nethttp.Client{Transport: b.transport()}
	defer c.CloseIdleConnections()
	for range 3 {
		resp, err := c.Post(b.url("/a/b?c=%20"), "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "hello" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
		want := "POST /a/b?c=%20 " + b.addr + " 127.0.0.1"
		if got := resp.Header.Get("X-Seen"); got != want {
			t.Fatalf("endpoint saw %q, want %q", got, want)
		}
	}
}

// RFC 9112 §6.3: what follows such heads is the next response, whatever they say
// about a body.
func responsesWithoutBodyDoNotHang(t *testing.T, d driver) {
	for _, tc := range []struct{ method, reply, sent string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", ""},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"HEAD", "HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n", ""},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", ""},
		{"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
	} {
		if tc.sent == "" {
			tc.sent = tc.reply
		}
		e := answer(t, tc.reply)
		c := d.start(t, []string{e.addr}).dial()
		for range 2 {
			c.send(tc.method + " / HTTP/1.1\r\nHost: a\r\n\r\n").expect(tc.sent)
		}
		if n := e.conns.Load(); n != 1 {
			t.Errorf("%s %q: two requests took %d connections to the endpoint", tc.method, tc.reply, n)
		}
	}
}

// Some endpoints send a body where there can be none.
func bodyThatMustNotBeIsNoResponse(t *testing.T, d driver) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	for method, head := range map[string]string{
		"HEAD": "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n",
		"GET":  "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n",
		"PUT":  "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n",
	} {
		e := answer(t, head+poison)
		c := d.start(t, []string{e.addr}).dial()
		for range 3 {
			c.send(method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, body := c.response(method); fmt.Sprint(resp.StatusCode) != head[9:12] || body != "" {
				t.Errorf("%s: got %d %q", method, resp.StatusCode, body)
			}
		}
	}
}

// RFC 9110 §6.5: trailers are not fields, and nobody makes them such on the way.
func trailersPassBothWays(t *testing.T, d driver) {
	const (
		upload = "4\r\nbody\r\n0\r\nX-In: 42\r\nx-in: 43\r\n\r\n"
		reply  = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other:\t2 \r\n\r\n"
	)
	got := make(chan string, 2)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head, body := readHead(r), make([]byte, len(upload))
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			got <- head + string(body)
			io.WriteString(c, reply)
		}
	})
	c := d.start(t, []string{addr}).dial()
	for range 2 {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-In\r\n\r\n" + upload).expect(reply)
		head := d.forwarded("POST /", "Trailer: X-In\r\n")
		want := strings.TrimSuffix(head, "\r\n") + "Transfer-Encoding: chunked\r\n\r\n" + upload
		if got := <-got; got != want {
			t.Errorf("the endpoint got %q, want %q", got, want)
		}
	}
}

func oldClientGetsNoChunks(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n")
	b := d.start(t, []string{e.addr})
	for _, fields := range slices.Repeat([]string{"", "Connection: keep-alive\r\n"}, 5) {
		got := b.dial().send("GET / HTTP/1.0\r\n" + fields + "\r\n").all()
		if want := "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := e.conns.Load(); n > d.pools {
		t.Errorf("the endpoint's connection was not kept: %d", n)
	}
}

func oldClientMayKeepItsConnection(t *testing.T, d driver) {
	e := answer(t, ok)
	c := d.start(t, []string{e.addr}).dial()
	for range 2 {
		c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		c.expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")
	}
	c.send("GET / HTTP/1.0\r\n\r\n").expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	c.end()
}

// The version is each connection's own: RFC 9110 §6.2.
func oldEndpointsResponseIsOfOurVersion(t *testing.T, d driver) {
	for _, tc := range []struct {
		reply, want string
		conns       int64 // that two requests take
	}{
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", ok, 2},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", ok, 1},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", ok, 2},
	} {
		e := answer(t, tc.reply)
		c := d.start(t, []string{e.addr}).dial()
		for range 2 {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect(tc.want)
			if head := <-e.heads; !strings.HasPrefix(head, "GET / HTTP/1.1\r\n") {
				t.Errorf("the endpoint got %q", head)
			}
		}
		if n := e.conns.Load(); n != tc.conns {
			t.Errorf("%q: two requests took %d connections, want %d", tc.reply, n, tc.conns)
		}
	}
}

// A client that knows chunks need not take the connection's end for the body's,
// and keeps it.
func bodyUntilCloseEndsInWords(t *testing.T, d driver) {
	const size = 3 + 1<<20
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if head := readHead(r); strings.HasPrefix(head, "GET") {
			io.WriteString(c, "HTTP/1.0 200 OK\r\nTrailer: X\r\n\r\nabc")
			io.Copy(c, io.LimitReader(zeros{}, size-3))
		} else { // to HEAD that would not say that it closes
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		}
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	for range 3 {
		resp, body := c.send(get("")).response("GET")
		if body != "abc"+strings.Repeat("\x00", size-3) || resp.Close || len(resp.TransferEncoding) != 1 || len(resp.Trailer) > 0 {
			t.Fatalf("%d bytes, %+v", len(body), resp)
		}
		c.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").expect("HTTP/1.1 200 OK\r\n\r\n")
		c.send(post("Content-Length: 0\r\n")).expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	}
	c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if resp, body := c.response("GET"); len(body) != size || !resp.Close || len(resp.TransferEncoding) > 0 {
		t.Errorf("an old client got %d bytes, %+v", len(body), resp)
	}
	c.end()
	b.active(0)
	if b.failures() != 0 {
		t.Error("a body until close counted as a failure")
	}
}

// chunkings are wire forms that mean "hello, world", with nothing unsound in them.
var chunkings = []string{
	"c\r\nhello, world\r\n0\r\n\r\n",
	"C\r\nhello, world\r\n000\r\n\r\n",
	"0000000000000005\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
	"5;a=b;c=\"d\\\"e\"\r\nhello\r\n7; x\r\n, world\r\n0;last\r\nX-T: 1\r\n\r\n",
	"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n1\r\n,\r\n1\r\n \r\n1\r\nw\r\n1\r\no\r\n1\r\nr\r\n1\r\nl\r\n1\r\nd\r\n0\r\n\r\n",
	"5;" + strings.Repeat("x", 4000) + "\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
}

// echoing is an endpoint that answers a chunked request with its body as it was
// on the wire, once it has it: an answer that overtakes it ends the connection.
func echoing(t *testing.T) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if readHead(r) == "" {
				return
			}
			var body strings.Builder
			for last := false; !last; { // a line and a chunk, until the last
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				digits, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
				size, _ := strconv.ParseInt(digits, 16, 64)
				body.WriteString(line)
				io.CopyN(&body, r, size)
				if last = size == 0; last {
					body.WriteString(readHead(r))
				} else {
					io.CopyN(&body, r, 2)
				}
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body.String())
		}
	})
}

func chunksPassAsTheyWereCut(t *testing.T, d driver) {
	c := d.start(t, []string{echoing(t)}).dial()
	for _, body := range chunkings {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
		c.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
	}
}

// trickle writes s byte by byte, with time for each to be read alone.
func trickle(c net.Conn, s string) {
	for i := range len(s) {
		if _, err := c.Write([]byte{s[i]}); err != nil {
			return
		}
		if i%8 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

func messagesMayComeByteByByte(t *testing.T, d driver) {
	const request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhello, world" +
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nT: 1\r\n\r\n"
	replies := []string{
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nT: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nhello, world",
	}
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			if string(body) != "hello, world" {
				t.Errorf("the endpoint got %q", body)
			}
			reply := replies[0]
			if len(req.TransferEncoding) > 0 {
				reply = replies[1]
			}
			if req.Trailer.Get("T") == "2" {
				reply = replies[2]
			}
			trickle(c, reply)
			if reply == replies[2] {
				return
			}
		}
	})
	b := d.start(t, []string{addr})
	c := nethttp.Client{Transport: b.transport()}
	defer c.CloseIdleConnections()
	for range 3 {
		c := b.dial()
		go trickle(c, request+strings.Replace(request[strings.LastIndex(request, "POST"):], "T: 1", "T: 2", 1))
		c.expect(replies[0] + replies[1])
		if _, body := c.response("POST"); body != "hello, world" {
			t.Errorf("until close came %q", body)
		}
	}
}

func headsGoAheadOfTheirBodies(t *testing.T, d driver) {
	for _, framing := range []string{"Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		answer, rest := make(chan bool), make(chan bool)
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			<-answer
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing)
			<-rest
			io.Copy(c, r)
		})
		c := d.start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\n" + framing)
		answer <- true // the head is there, and no byte of the body was sent
		c.expect("HTTP/1.1 200 OK\r\n" + strings.TrimSuffix(framing, "\r\n") + "Connection: close\r\n\r\n")
		rest <- true
		if strings.HasPrefix(framing, "Content-Length") {
			c.send("h").expect("h")
			c.send("ello").expect("ello")
		} else {
			c.send("1\r\nh\r\n").expect("1\r\nh\r\n")
			c.send("4\r\nel").expect("4\r\nel")
			c.send("lo\r\n0\r\n\r\n").expect("lo\r\n0\r\n\r\n")
		}
	}
}
