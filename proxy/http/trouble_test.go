package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func TestHalfAHeadIsNotPartOfTheNextResponse(t *testing.T) {
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
		time.Sleep(50 * time.Millisecond) // let it be read
		c.(*net.TCPConn).SetLinger(0)
	})
	b := start(t, []string{addr})
	c := b.dial().send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	c.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, body := c.response("GET")
	if resp.StatusCode != 502 || resp.Header.Get("X-Half") != "" {
		t.Errorf("got %d %v %q, want 502", resp.StatusCode, resp.Header, body)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the endpoint saw %d requests, want 2", n)
	}
	if b.failures() != 1 {
		t.Errorf("%d failures, want 1", b.failures())
	}
}

func TestConnectFailureGoesToTheNextEndpointWhileTheBodyIsStillComing(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		body := make([]byte, 6)
		io.ReadFull(r, body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n%s", body)
	})
	b := start(t, []string{closedPort(t), closedPort(t), addr})
	for range 3 { // a round of ROUND_ROBIN
		c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
		time.Sleep(20 * time.Millisecond)
		c.send("def")
		if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "abcdef" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
}

func TestTimeThatIsUpIsNotTheFaultOfThoseWhoWereNotAsked(t *testing.T) {
	b := start(t, []string{closedPort(t), closedPort(t), closedPort(t)}, withService(func(s *proxy.Service) { s.Timeout = time.Nanosecond }))
	resp, _ := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if resp.StatusCode != 504 {
		t.Errorf("got %d, want 504", resp.StatusCode)
	}
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0: nobody was asked", n)
	}
}

func TestBytesOfATunnelAreNotTheNextRequests(t *testing.T) {
	b := start(t, []string{upgrading(t, "", echo)})
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
	b.stop()
	for line := range strings.Lines(b.access.String()) {
		if strings.Contains(line, `"status":200`) && !strings.Contains(line, `"bytes_in":0,`) {
			t.Errorf("a request without a body brought bytes: %s", line)
		}
	}
}

func TestLogOfAnUnfinishedHeadShowsItsOwnClient(t *testing.T) {
	e := answer(t, ok)
	b := start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = 300 * time.Millisecond }))
	c := b.dial().send("GET /mine HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10))
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		o := b.dial().send("SECRET /yours HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Pad: " + strings.Repeat("y", 30<<10) + "\r\n\r\n")
		o.response("GET")
		o.Close()
	}
	if resp, _ := c.response("GET"); resp.StatusCode != 408 {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
	c.Close()
	b.stop()
	for line := range strings.Lines(b.access.String()) {
		if strings.Contains(line, `"status":408`) && !strings.Contains(line, `"method":"GET","host":"","path":"/mine"`) {
			t.Errorf("the log of one client shows another's bytes: %s", line)
		}
	}
}

func TestPipelinedRequestIsAnsweredThoughADrainBegins(t *testing.T) {
	release := make(chan struct{})
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			<-release
			io.WriteString(c, "k")
		}
	})
	b := start(t, []string{addr})
	c := b.dial().send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	head := readHead(c.r) // the head is out, without Connection: close
	b.engine.Drain()
	close(release)
	c.expect("ok")
	if strings.Contains(head, "Connection: close") {
		t.Fatal("the drain came too early for this test")
	}
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.closed()
}

func TestPanicKeepsNoLease(t *testing.T) {
	b := start(t, []string{closedPort(t)}, withService(func(s *proxy.Service) { s.Stats = nil }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.closed()
	testkit.Eventually(t, func() bool { return strings.Contains(b.log.String(), "panic") })
	b.active(0)
}

func TestLastResponseIsFollowedByAnEndAndNotAReset(t *testing.T) {
	more := make(chan struct{})
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		<-more
		io.WriteString(c, ok)
	})
	c := start(t, []string{addr}).dial().send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	time.Sleep(20 * time.Millisecond)
	c.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	close(more)
	if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	c.end()
}

func TestAnswerToABodyNotSentEndsTheConnectionInWords(t *testing.T) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
	c := start(t, []string{e.addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	resp, _ := c.response("POST")
	if resp.StatusCode != 417 || !resp.Close {
		t.Errorf("got %d close %v, want 417 and Connection: close", resp.StatusCode, resp.Close)
	}
	c.CloseWrite()
	c.closed()
}

func TestNothingFollowsHalfAnInterimResponse(t *testing.T) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		hint := "HTTP/1.1 103 Early Hints\r\nLink: <" + strings.Repeat("x", 30000) + ">\r\n\r\n"
		for {
			if _, err := io.WriteString(c, hint); err != nil {
				return
			}
		}
	})
	b := start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = 300 * time.Millisecond }))
	c := b.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	b.active(0) // the client has read nothing, and time is up
	if got := c.all(); strings.Contains(got, "HTTP/1.1 408") || strings.Contains(got, "HTTP/1.1 504") {
		t.Errorf("%d bytes of hints end with %q", len(got), got[len(got)-200:])
	}
}

func TestBodyThatNobodyWantedIsNoRequest(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deaf, rest := make(chan struct{}), make(chan struct{})
	var requests atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			readHead(bufio.NewReader(c))
			requests.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			c.(*net.UnixConn).CloseRead() // here a socket can refuse bytes, and still send
			deaf <- struct{}{}
			<-rest
			io.WriteString(c, "k")
			c.Close()
		}
	}()
	body := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	c := start(t, []string{"unix:" + l.Addr().String()}).dial()
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body)))
	<-deaf
	c.send(body)
	time.Sleep(50 * time.Millisecond) // let it be read
	rest <- struct{}{}
	c.response("POST")
	c.CloseWrite()
	c.closed()
	if n := requests.Load(); n != 1 {
		t.Errorf("the endpoint saw %d requests, want 1: the other was a body", n)
	}
}

func TestLogSaysThatNobodyWasLeftToAsk(t *testing.T) {
	b := start(t, []string{closedPort(t)})
	c := b.dial().send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 502 {
		t.Errorf("got %d, want what the endpoint's failure was", resp.StatusCode)
	}
	if err := b.balancer.SetEndpoints(nil); err != nil {
		t.Fatal(err)
	}
	c.send("GET /y HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	for _, want := range []string{`msg="no endpoint" service=web cause=destination_unavailable attempts=1 method=GET target=/x`, "attempts=0 method=GET target=/y"} {
		if log := b.log.String(); !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
}
