package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
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

// A cut that looks like an end would have the endpoint take half for the whole.
func cutUploadLooksCut(t *testing.T, d driver) {
	var whole atomic.Int64
	b := d.start(t, []string{gathering(t, &whole)})
	for _, request := range []string{
		post("Content-Length: 5\r\n"),
		post("Content-Length: 5\r\n") + "hell",
		post("Content-Length: 10000000\r\n") + strings.Repeat("x", 1_000_000),
		post("Transfer-Encoding: chunked\r\n"),
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhel",
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhello",
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n",
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0",
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n",
		post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\nX: y\r\n",
	} {
		for _, reset := range []bool{false, true} {
			c := b.dial().send(request)
			b.active(1)
			if reset {
				c.SetLinger(0)
			}
			c.Close()
			b.active(0)
		}
	}
	if n, m := b.failures(), whole.Load(); n != 0 || m != 0 {
		t.Errorf("%d failures and %d bodies that looked whole, want none", n, m)
	}
}

func clientMayResetAtAnyTime(t *testing.T, d driver) {
	ended := make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		for strings.HasPrefix(head, "GET /ok") {
			io.WriteString(c, ok)
			head = readHead(r)
		}
		switch {
		case strings.HasPrefix(head, "GET /flood"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			io.Copy(c, zeros{})
		case strings.HasSuffix(head, "\r\n\r\n"):
			io.Copy(io.Discard, r)
		default:
			return
		}
		ended <- true
	})
	b := d.start(t, []string{addr})
	for _, tc := range []struct {
		name, send string
		read       int64
		asked      bool // the endpoint was
	}{
		{"before a byte", "", 0, false},
		{"in a head", "GET / HTTP/1.1\r\nHo", 0, false},
		{"after a head", get(""), 0, true},
		{"before a body", post("Content-Length: 5\r\n"), 0, true},
		{"in a body", post("Content-Length: 500000\r\n") + strings.Repeat("x", 100_000), 0, true},
		{"in a chunk", post("Transfer-Encoding: chunked\r\n") + "5\r\nhel", 0, true},
		{"in a response", "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n", 1 << 20, true},
		{"in a response that it does not read", "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n", 1, true},
		{"between requests", "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n", int64(len(ok)), false},
		{"in the next head", "GET /ok HTTP/1.1\r\nHost: a\r\n\r\nGET /", int64(len(ok)), false},
	} {
		c := b.dial().send(tc.send)
		if tc.asked {
			b.active(1)
		}
		if _, err := io.CopyN(io.Discard, c.r, tc.read); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		c.SetLinger(0)
		c.Close()
		if tc.asked {
			<-ended
		}
		b.active(0)
		if resp, body := b.dial().send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("%s: the next client got %d %q", tc.name, resp.StatusCode, body)
		}
	}
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0: the client left", n)
	}
}

func endpointMayResetAtAnyTime(t *testing.T, d driver) {
	upload := post("Content-Length: 1000000\r\n") + strings.Repeat("x", 1_000_000)
	for _, tc := range []struct {
		name, request string
		script        func(c net.Conn, r *bufio.Reader)
	}{
		{"before the head", get(""), func(net.Conn, *bufio.Reader) {}},
		{"in the head", get("X: " + strings.Repeat("x", 60_000) + "\r\n"), func(_ net.Conn, r *bufio.Reader) { r.ReadByte() }},
		{"after the head", get(""), func(_ net.Conn, r *bufio.Reader) { readHead(r) }},
		{"before the body", upload, func(_ net.Conn, r *bufio.Reader) { readHead(r) }},
		{"in the body", upload, func(_ net.Conn, r *bufio.Reader) { io.CopyN(io.Discard, r, 300_000) }},
		{"in the response's head", get(""), func(c net.Conn, r *bufio.Reader) { readHead(r); io.WriteString(c, "HTTP/1.1 20") }},
		{"after an interim response", get(""), func(c net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
		}},
	} {
		addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
			if n > 0 {
				readHead(r)
				io.WriteString(c, ok)
				return
			}
			tc.script(c, r)
			time.Sleep(10 * time.Millisecond) // let it be read
			c.(*net.TCPConn).SetLinger(0)
		})
		b := d.start(t, []string{addr})
		c := b.dial().send(tc.request)
		resp, _ := c.response("GET")
		if resp.StatusCode == 103 {
			resp, _ = c.response("GET")
		}
		if resp.StatusCode != 502 {
			t.Errorf("%s: %d", tc.name, resp.StatusCode)
		}
		b.active(0)
		if n := b.failures(); n != 1 {
			t.Errorf("%s: %d failures, want 1", tc.name, n)
		}
		if resp, body := b.dial().send(get("")).response("GET"); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("%s: the next client got %d %q", tc.name, resp.StatusCode, body)
		}
	}
}

func endpointsResetCutsTheResponse(t *testing.T, d driver) {
	for _, reply := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
	} {
		for _, sent := range []int{0, 3, 150_000} {
			relayed := make(chan bool)
			addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(c, reply)
				if !strings.HasSuffix(reply, "chunked\r\n\r\n") {
					io.WriteString(c, strings.Repeat("x", sent))
				}
				<-relayed
				c.(*net.TCPConn).SetLinger(0)
			})
			b := d.start(t, []string{addr})
			c := b.dial().send(get(""))
			resp, err := nethttp.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatalf("%q, %d bytes: %v", reply, sent, err)
			}
			if sent > 0 && !strings.HasSuffix(reply, "chunked\r\n\r\n") {
				io.ReadFull(resp.Body, make([]byte, sent))
			}
			relayed <- true
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%q, %d bytes: ended with %q as if it were whole", reply, sent, body)
			}
			b.active(0)
			if n := b.failures(); n != 1 {
				t.Errorf("%q, %d bytes: %d failures, want 1", reply, sent, n)
			}
		}
	}
}

func resetOfAnIdleConnectionHarmsNobody(t *testing.T, d driver) {
	idle, gone := make(chan bool), make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, ok)
		<-idle
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		gone <- true
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	for range 3 {
		if resp, body := c.send(post("Content-Length: 0\r\n")).response("POST"); resp.StatusCode != 200 || body != "ok" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
		b.active(0)
		idle <- true
		<-gone
	}
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures, want 0", n)
	}
}

// Who says that nothing more will come may still want its answers. It looks as who has
// left does, and is taken for such where an answer is long in coming: on a busy machine
// the endpoint may be slower than that.
func clientThatHasSaidAllIsAnswered(t *testing.T, d driver) {
	const look = 250 * time.Millisecond
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	for _, request := range []string{get(""), get("") + get("") + get("")} {
		want := strings.Repeat(ok, strings.Count(request, "GET"))
		for got := ""; got != want; {
			began := time.Now()
			c := b.dial().send(request)
			c.CloseWrite()
			all, err := io.ReadAll(c.r)
			got = string(all)
			if took := time.Since(began); err != nil || got != want && took < look {
				t.Fatalf("after %v: %q, %v", took, got, err)
			}
		}
	}
}
