package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink: </b>\r\n\r\nHTTP/1.1 102 \r\n\r\n" +
	"HTTP/1.1 199 Odd\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"

func interimResponsesAreRelayed(t *testing.T, d driver) {
	e := answer(t, hints+ok)
	c := d.start(t, []string{e.addr}).dial()
	for range 2 {
		c.send(get("")).expect(hints + ok)
	}
}

// RFC 9110 §15.2.
func clientThatKnowsNoInterimResponsesGetsNone(t *testing.T, d driver) {
	e := answer(t, hints+ok)
	got := d.start(t, []string{e.addr}).dial().send("GET / HTTP/1.0\r\n\r\n").all()
	if want := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func continueIsTheEndpointsToSay(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for strings.Contains(readHead(r), "Expect: 100-continue") {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			body := make([]byte, 10)
			io.ReadFull(r, body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n%s", body)
		}
	})
	c := d.start(t, []string{addr}).dial()
	for fields, body := range map[string]string{
		"Content-Length: 10\r\n":         "0123456789",
		"Transfer-Encoding: chunked\r\n": "0\r\nX:y\r\n\r\n",
	} {
		c.send(post("Expect: 100-continue\r\n" + fields)).expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.send(body).expect("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + body)
	}
}

// Neither side need wait for the other (RFC 9110 §10.1.1).
func expectationMayBeDisappointed(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	c := b.dial().send(post("Expect: 100-continue\r\nContent-Length: 5\r\n"))
	if resp, body := c.response("POST"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("an answer before the body: %d %q", resp.StatusCode, body)
	}
	c.end()

	var whole atomic.Int64
	b = d.start(t, []string{gathering(t, &whole)})
	c = b.dial()
	for range 2 { // the endpoint of this one says 100 Continue, too late
		c.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n") + "hello")
		resp, _ := c.response("POST")
		if resp.StatusCode == 100 {
			resp, _ = c.response("POST")
		}
		if resp.StatusCode != 200 {
			t.Errorf("a body that did not wait: %d", resp.StatusCode)
		}
	}
	c = b.dial().send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
	if resp, _ := c.response("POST"); resp.StatusCode != 200 {
		t.Errorf("an old client's body: %d", resp.StatusCode)
	}
	if n := whole.Load(); n != 3 {
		t.Errorf("%d bodies came to the endpoint, want 3", n)
	}
}

func refusedExpectationEndsTheUpload(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	c := d.start(t, []string{e.addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 417 {
		t.Fatalf("got %d", resp.StatusCode)
	}
	c.closed() // whether the body comes now is not known
}

func answerToABodyNotSentEndsTheConnectionInWords(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	c := d.start(t, []string{e.addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	resp, _ := c.response("POST")
	if resp.StatusCode != 417 || !resp.Close {
		t.Errorf("got %d close %v, want 417 and Connection: close", resp.StatusCode, resp.Close)
	}
	c.CloseWrite()
	c.closed()
}

func nothingFollowsHalfAnInterimResponse(t *testing.T, d driver) {
	hint := "HTTP/1.1 103 Early Hints\r\nLink: <" + strings.Repeat("x", 30000) + ">\r\n\r\n"
	asked := make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		asked <- true
		for {
			if _, err := io.WriteString(c, hint); err != nil {
				return
			}
		}
	})
	b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = soon }))
	c := b.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	<-asked
	b.active(0)               // the client has read nothing, and time is up
	all, _ := io.ReadAll(c.r) // the last record over TLS may be half of one as well
	rest := string(all)
	for strings.HasPrefix(rest, hint) {
		rest = rest[len(hint):]
	}
	if !strings.HasPrefix(hint, rest) && !strings.HasPrefix(rest, "HTTP/1.1 504 ") {
		t.Errorf("behind whole hints came %d bytes, with %q in the end", len(rest), rest[max(0, len(rest)-200):])
	}
}
