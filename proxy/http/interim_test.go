package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

func interimResponsesAreRelayed(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok)
	b := d.start(t, []string{e.addr})
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

func continueIsTheEndpointsToSay(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if head := readHead(r); !strings.Contains(head, "Expect: 100-continue") {
			return
		}
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		body := make([]byte, 5)
		io.ReadFull(r, body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%s", body)
	})
	c := d.start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
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

func refusedExpectationEndsTheUpload(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	c := d.start(t, []string{e.addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 417 {
		t.Fatalf("got %d", resp.StatusCode)
	}
	c.closed() // whether the body comes now is not known
}

func answerToABodyNotSentEndsTheConnectionInWords(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
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
	b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = 300 * time.Millisecond }))
	c := b.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	<-asked
	b.active(0) // the client has read nothing, and time is up
	rest := c.all()
	for strings.HasPrefix(rest, hint) {
		rest = rest[len(hint):]
	}
	if !strings.HasPrefix(hint, rest) && !strings.HasPrefix(rest, "HTTP/1.1 504 ") {
		t.Errorf("behind whole hints came %d bytes, with %q in the end", len(rest), rest[max(0, len(rest)-200):])
	}
}
