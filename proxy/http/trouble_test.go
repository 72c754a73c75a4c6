package http_test

import (
	"bufio"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
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
