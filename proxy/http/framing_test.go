package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
)

func requestReachesEndpointAndResponseClient(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header.Get("X-Forwarded-For")))
		w.Write(body)
	})
	b := d.start(t, []string{addr})
	for range 3 {
		resp, err := nethttp.Post("http://"+b.addr+"/a/b?c=%20", "text/plain", strings.NewReader("hello"))
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
	nethttp.DefaultClient.CloseIdleConnections()
}

func responsesWithoutBodyDoNotHang(t *testing.T, d driver) {
	for _, tc := range []struct{ method, reply string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		e := answer(t, tc.reply)
		c := d.start(t, []string{e.addr}).dial()
		for range 2 {
			c.send(tc.method + " / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp, body := c.response(tc.method); body != "" || fmt.Sprint(resp.StatusCode) != tc.reply[9:12] {
				t.Errorf("%s %q: got %d %q", tc.method, tc.reply, resp.StatusCode, body)
			}
		}
	}
}

func trailersPassBothWays(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		req, err := nethttp.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n",
			len(body), body, req.Trailer.Get("X-In"))
	})
	c := d.start(t, []string{addr}).dial().send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-In\r\n\r\n" +
		"4\r\nbody\r\n0\r\nX-In: 42\r\n\r\n")
	resp, body := c.response("POST")
	if body != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("got %q with trailer %v", body, resp.Trailer)
	}
}

func oldClientGetsNoChunks(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n")
	c := d.start(t, []string{e.addr}).dial().send("GET / HTTP/1.0\r\n\r\n")
	got := c.all()
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if body != "abcde" || strings.Contains(head, "Transfer-Encoding") || strings.Contains(head, "Content-Length") {
		t.Errorf("got %q", got)
	}
}

func bodyUntilCloseEndsWithTheConnection(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc")
		io.Copy(c, io.LimitReader(zeros{}, 1<<20))
	})
	b := d.start(t, []string{addr})
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
