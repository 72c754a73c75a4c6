package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"testing"
	"time"
)

func clientThatLeavesCancelsTheRequestAndBlamesNobody(t *testing.T, d driver) {
	gone := make(chan struct{})
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		<-r.Context().Done()
		close(gone)
	})
	b := d.start(t, []string{addr})
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	c.Close()
	<-gone
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0: the client left", n)
	}
}

func cutResponseLooksCut(t *testing.T, d driver) {
	for name, reply := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"between": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, reply)
		})
		b := d.start(t, []string{addr})
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

func resetInsideABodyUntilCloseIsACut(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc")
		time.Sleep(50 * time.Millisecond) // let it be read
		c.(*net.TCPConn).SetLinger(0)
	})
	c := d.start(t, []string{addr}).dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := nethttp.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("body %q ended as if it were whole", body)
	}
}
