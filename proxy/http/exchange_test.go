package http_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// answering is an endpoint that answers every request head with reply, and
// counts connections and requests.
type answering struct {
	addr            string
	conns, requests atomic.Int64
	heads           chan string
}

func answer(t *testing.T, reply string) *answering {
	a := &answering{heads: make(chan string, 100)}
	a.addr = scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		a.conns.Add(1)
		for {
			head := readHead(r)
			if !strings.HasSuffix(head, "\r\n\r\n") {
				return
			}
			a.requests.Add(1)
			a.heads <- head
			if _, err := io.WriteString(c, reply); err != nil {
				return
			}
		}
	})
	return a
}

func TestEndpointConnectionIsReused(t *testing.T) {
	e := answer(t, ok)
	b := start(t, []string{e.addr})
	for range 3 { // connections of clients
		c := b.dial()
		for range 3 {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
				t.Fatalf("got %d %q", resp.StatusCode, body)
			}
		}
	}
	if n := e.conns.Load(); n != 1 {
		t.Errorf("nine requests took %d connections to the endpoint, want 1", n)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	})
	b := start(t, []string{addr})
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

func TestHeadForEndpointIsRewrittenAndNothingElse(t *testing.T) {
	e := answer(t, ok)
	b := start(t, []string{e.addr})
	c := b.dial().send("GET /a//b/../c%2f?x=%zz HTTP/1.1\r\nhOST: Example.com\r\nX-Keep: 1\r\nx-keep: 2\r\n" +
		"Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
	c.response("GET")
	head := <-e.heads
	for _, want := range []string{"GET /a//b/../c%2f?x=%zz HTTP/1.1\r\n", "Example.com\r\n", "X-Keep: 1\r\nx-keep: 2\r\n",
		"Via: 1.1 spillway\r\n", "X-Forwarded-Proto: http\r\n", "1.2.3.4, 127.0.0.1\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in %q", want, head)
		}
	}
	for _, no := range []string{"X-Hop", "Keep-Alive", "Connection"} {
		if strings.Contains(head, no) {
			t.Errorf("%s was forwarded: %q", no, head)
		}
	}
}

func TestResponsesWithoutBodyDoNotHang(t *testing.T) {
	for _, tc := range []struct{ method, reply string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		e := answer(t, tc.reply)
		c := start(t, []string{e.addr}).dial()
		for range 2 {
			c.send(tc.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, body := c.response(tc.method); body != "" || fmt.Sprint(resp.StatusCode) != tc.reply[9:12] {
				t.Errorf("%s %q: got %d %q", tc.method, tc.reply, resp.StatusCode, body)
			}
		}
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		req, err := nethttp.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n",
			len(body), body, req.Trailer.Get("X-In"))
	})
	c := start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-In\r\n\r\n" +
		"4\r\nbody\r\n0\r\nX-In: 42\r\n\r\n")
	resp, body := c.response("POST")
	if body != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("got %q with trailer %v", body, resp.Trailer)
	}
}

func TestOldClientGetsNoChunks(t *testing.T) {
	e := answer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n")
	c := start(t, []string{e.addr}).dial().send("GET / HTTP/1.0\r\n\r\n")
	got := c.all()
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if body != "abcde" || strings.Contains(head, "Transfer-Encoding") || strings.Contains(head, "Content-Length") {
		t.Errorf("got %q", got)
	}
}

func TestInterimResponsesAreRelayed(t *testing.T) {
	e := answer(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok)
	b := start(t, []string{e.addr})
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 103 || resp.Header.Get("Link") != "</a>" {
		t.Errorf("got %d %v, want 103 first", resp.StatusCode, resp.Header)
	}
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	old := b.dial().send("GET / HTTP/1.0\r\n\r\n")
	if got := old.all(); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("HTTP/1.0 client got %q", got)
	}
}

func TestContinueIsTheEndpointsToSay(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if head := readHead(r); !strings.Contains(head, "Expect: 100-continue") {
			return
		}
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		body := make([]byte, 5)
		io.ReadFull(r, body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%s", body)
	})
	c := start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	line, _ := c.r.ReadString('\n')
	if line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	c.r.ReadString('\n')
	c.send("hello")
	if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestRefusedExpectationEndsTheUpload(t *testing.T) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	c := start(t, []string{e.addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 417 {
		t.Fatalf("got %d", resp.StatusCode)
	}
	c.closed() // whether the body comes now is not known
}

func TestEarlyAnswerReachesAClientThatStillSends(t *testing.T) {
	e := answer(t, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
	b := start(t, []string{e.addr})
	c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
	go io.Copy(c.TCPConn, io.LimitReader(zeros{}, 100000000)) // ends when the connection does
	if resp, body := c.response("POST"); resp.StatusCode != 413 || body != "big" {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	b.active(0)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestLargeBodiesArriveUnchanged(t *testing.T) {
	data := make([]byte, 20<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	want := sha256.Sum256(data)
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h := sha256.New()
		io.Copy(h, r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%x", h.Sum(nil)))
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		}
		w.Write(data)
	})
	b := start(t, []string{addr})
	defer nethttp.DefaultClient.CloseIdleConnections()
	for _, chunked := range []bool{false, true} {
		var body io.Reader = bytes.NewReader(data)
		url := "http://" + b.addr + "/?length"
		if chunked {
			body, url = io.MultiReader(body), "http://"+b.addr+"/"
		}
		resp, err := nethttp.Post(url, "application/octet-stream", body)
		if err != nil {
			t.Fatalf("chunked %v: %v; %s", chunked, err, b.log)
		}
		h := sha256.New()
		if _, err := io.Copy(h, resp.Body); err != nil {
			t.Fatalf("chunked %v: %v; %s", chunked, err, b.log)
		}
		resp.Body.Close()
		if got := resp.Header.Get("X-Sum"); got != fmt.Sprintf("%x", want) {
			t.Errorf("chunked %v: the endpoint received other bytes", chunked)
		}
		if !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("chunked %v: the client received other bytes", chunked)
		}
	}
}

func TestBodiesAreStreamedNotCollected(t *testing.T) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		rc := nethttp.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		line := bufio.NewReader(r.Body)
		for {
			s, err := line.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, "echo "+s)
			rc.Flush()
		}
	})
	c := start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	resp, err := nethttp.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	for i := range 3 {
		msg := fmt.Sprintf("event %d\n", i)
		c.send(fmt.Sprintf("%x\r\n%s\r\n", len(msg), msg))
		if got, err := body.ReadString('\n'); got != "echo "+msg {
			t.Fatalf("got %q %v before the next line was sent", got, err)
		}
	}
	c.send("0\r\n\r\n")
	if rest, err := io.ReadAll(body); len(rest) > 0 || err != nil {
		t.Errorf("end: %q %v", rest, err)
	}
}

func TestClientThatLeavesCancelsTheRequestAndBlamesNobody(t *testing.T) {
	gone := make(chan struct{})
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-r.Context().Done()
		close(gone)
	})
	b := start(t, []string{addr})
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	c.Close()
	<-gone
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0: the client left", n)
	}
}

func TestCutResponseLooksCut(t *testing.T) {
	for name, reply := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"between": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, reply)
		})
		b := start(t, []string{addr})
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: body %q ended as if it were whole", name, body)
		}
		b.active(0)
		if b.failures() != 1 {
			t.Errorf("%s: %d failures, want 1", name, b.failures())
		}
	}
}

func TestResetInsideABodyUntilCloseIsACut(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc")
		time.Sleep(50 * time.Millisecond) // let it be read
		c.(*net.TCPConn).SetLinger(0)
	})
	c := start(t, []string{addr}).dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := nethttp.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("body %q ended as if it were whole", body)
	}
}

func TestBodyUntilCloseEndsWithTheConnection(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc")
		io.Copy(c, io.LimitReader(zeros{}, 1<<20))
	})
	b := start(t, []string{addr})
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, body := c.response("GET"); len(body) != 3+1<<20 {
		t.Errorf("got %d bytes", len(body))
	}
	c.closed()
	b.active(0)
	if b.failures() != 0 {
		t.Error("a body until close counted as a failure")
	}
}

func TestConnectFailureGoesToTheNextEndpointWhateverTheMethod(t *testing.T) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { io.Copy(w, r.Body) })
	b := start(t, []string{closedPort(t), closedPort(t), addr})
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

func TestStaleConnectionIsReplacedForWhatMayBeSentTwice(t *testing.T) {
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
	b := start(t, []string{addr})
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

func TestConnectionClosedWhileIdleIsNotUsed(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
	})
	c := start(t, []string{addr}).dial()
	for range 3 {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		if resp, _ := c.response("POST"); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
		time.Sleep(20 * time.Millisecond) // the endpoint's FIN arrives
	}
}

func TestLateBytesPoisonNobody(t *testing.T) {
	late := make(chan struct{}, 1)
	addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
		if n == 0 {
			<-late
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
			late <- struct{}{}
		}
		readHead(r)
	})
	c := start(t, []string{addr}).dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	late <- struct{}{}
	time.Sleep(20 * time.Millisecond)
	<-late
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, body := c.response("GET"); body != "ok" {
		t.Errorf("got %q", body)
	}
}

func TestTimeouts(t *testing.T) {
	silent := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	t.Run("no response in time is 504", func(t *testing.T) {
		b := start(t, []string{silent}, withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond }))
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, _ := c.response("GET")
		if resp.StatusCode != 504 || !strings.Contains(resp.Header.Get("Proxy-Status"), "http_response_timeout") {
			t.Errorf("got %d %v", resp.StatusCode, resp.Header)
		}
		if b.failures() != 1 {
			t.Error("a timeout is the endpoint's failure")
		}
	})
	t.Run("a route's timeout stands in for the service's", func(t *testing.T) {
		b := start(t, []string{silent}, withRoute(func(r *proxy.Route) { r.Timeout = 100 * time.Millisecond }))
		if resp, _ := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode != 504 {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
	t.Run("a body that does not come is 408", func(t *testing.T) {
		b := start(t, []string{silent}, withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond }))
		c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
		if resp, _ := c.response("POST"); resp.StatusCode != 408 {
			t.Errorf("got %d", resp.StatusCode)
		}
		b.active(0)
		if b.failures() != 0 {
			t.Error("the client was slow, and the endpoint was blamed")
		}
	})
	t.Run("a response that stops is cut", func(t *testing.T) {
		stops := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			io.Copy(io.Discard, r)
		})
		b := start(t, []string{stops}, withService(func(s *proxy.Service) { s.Timeout = 100 * time.Millisecond }))
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nabc") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a slow head is 408", func(t *testing.T) {
		b := start(t, []string{silent}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = 100 * time.Millisecond }))
		c := b.dial().send("GET / HTTP/1.1\r\nHo")
		if resp, _ := c.response("GET"); resp.StatusCode != 408 {
			t.Errorf("got %d", resp.StatusCode)
		}
		c.closed()
	})
	t.Run("an idle client is closed", func(t *testing.T) {
		e := answer(t, ok)
		b := start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.KeepaliveTimeout = 50 * time.Millisecond }))
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.response("GET")
		c.closed()
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	e := answer(t, ok)
	b := start(t, []string{e.addr},
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
func TestBodiesThatAreRefused(t *testing.T) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			panic(nethttp.ErrAbortHandler)
		}
	})
	b := start(t, []string{addr}, withRoute(func(r *proxy.Route) { r.MaxBodyBytes = 10 }))
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

func TestBadChunkAfterTheHeadWentOutIsStill400(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	b := start(t, []string{addr})
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

func TestBadResponsesAre502(t *testing.T) {
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
		b := start(t, []string{addr})
		c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, _ := c.response("GET"); resp.StatusCode != 502 {
			t.Errorf("%.40q: got %d", reply, resp.StatusCode)
		}
		if b.failures() != 1 {
			t.Errorf("%.40q: %d failures, want 1", reply, b.failures())
		}
	}
}

func TestNobodyToServeIs503(t *testing.T) {
	b := start(t, nil)
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, body := c.response("GET")
	if resp.StatusCode != 503 || body != "no healthy endpoint\n" || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_unavailable") {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") // the connection is still good
	c.response("GET")
}

func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	release := make(chan struct{})
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-release
		io.WriteString(w, "done")
	})
	b := start(t, []string{addr})
	idle := b.dial()
	idleDone := answer(t, ok)
	_ = idleDone
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	testkit.Eventually(t, func() bool {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	resp, body := c.response("GET")
	if resp.StatusCode != 200 || body != "done" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.closed()
	idle.closed()
	<-stopped
}

func TestAbortCutsEverything(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	b := start(t, []string{addr})
	b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
	b.dial().send("GET")
	b.active(2)
	b.engine.Abort()
	b.active(0)
	b.stop()
	if b.failures() != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

func TestAccessLogHasOneLineForEachRequest(t *testing.T) {
	e := answer(t, ok)
	b := start(t, []string{closedPort(t), e.addr}, withSettings(func(s *proxyhttp.Settings) { s.TrustedProxies = loopback }))
	c := b.dial()
	for range 2 {
		c.send("GET /x?y HTTP/1.1\r\nHost: a.b\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
		c.response("GET")
	}
	b.stop()
	lines := strings.Split(strings.TrimSpace(b.access.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines: %s", len(lines), b.access)
	}
	for _, want := range []string{`"client":"9.9.9.9:0"`, `"method":"GET"`, `"host":"a.b"`, `"path":"/x?y"`,
		`"status":200`, `"bytes_out":2`, `"endpoint":"` + e.addr + `"`, `"cause":""`} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	if !strings.Contains(lines[0]+lines[1], `"attempts":2`) {
		t.Error("no line tells of the second attempt")
	}
}
