package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
)

// What is said of the connection in a head that goes out before the request's
// body has come is kept (RFC 9112 §9.6).
func connectionThatIsNotKeptIsSaidToEnd(t *testing.T, d driver) {
	const size = 20_000_000
	for name, tc := range map[string]struct {
		request, rest, head, tail string
	}{
		"the body is not there":       {post("Content-Length: 5\r\n"), "hello", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
		"the answer comes in parts":   {post("Content-Length: 5\r\n"), "hello", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "k"},
		"the answer is chunked":       {post("Transfer-Encoding: chunked\r\n"), "0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"},
		"the endpoint does not read":  {post("Transfer-Encoding: chunked\r\n"), strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", size/1000) + "0\r\n\r\n", ok, ""},
		"the endpoint reads it later": {post("Content-Length: 20000000\r\n"), strings.Repeat("x", size), ok, ""},
	} {
		asked, rest := make(chan bool), make(chan bool)
		addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
			if readHead(r) == "" {
				return
			}
			<-asked
			io.WriteString(c, tc.head)
			<-rest
			io.WriteString(c, tc.tail)
			io.CopyN(io.Discard, r, int64(len(tc.rest)))
			if readHead(r) != "" {
				io.WriteString(c, ok)
			}
		})
		b := d.start(t, []string{addr})
		c := b.dial().send(tc.request)
		if strings.HasPrefix(name, "the endpoint") {
			go io.WriteString(c, tc.rest)
		}
		asked <- true
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest <- true
		if body, err := io.ReadAll(resp.Body); string(body) != "ok" || err != nil {
			t.Fatalf("%s: %q, %v", name, body, err)
		}
		if resp.Close {
			continue
		}
		c.send(tc.rest + get(""))
		if resp, err := nethttp.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: the connection was to be kept: %v", name, err)
		}
	}
}

// Large bodies are spliced, small ones copied, and either may be sent before the
// head's answer comes back.
func bodyThatWasReadCostsNoConnection(t *testing.T, d driver) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "ok")
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	body := strings.Repeat("x", 1<<20)
	closed := 0 // on a busy machine the news that a body was sent comes late now and then
	const bodies = 40
	for range bodies {
		c.send(post("Content-Length: 1048576\r\n") + body)
		resp, got := c.response("POST")
		if got != "ok" {
			t.Fatalf("got %q", got)
		}
		if resp.Close {
			closed++
			c = b.dial()
		}
	}
	if closed > bodies/5 {
		t.Errorf("%d of %d bodies that were read have cost their connections", closed, bodies)
	}
}
