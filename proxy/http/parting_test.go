package http_test

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// large is the size of a response that is still on its way to a client when we
// are done with it.
const large = 200_000

// slowly makes a client that begins to read only when it is told to.
func (c *rawClient) slowly() (begin func()) {
	c.SetReadBuffer(32 << 10)
	return func() { c.SetReadBuffer(1 << 20) }
}

// What a client has on its way to us when we close would be answered with a
// reset, if we closed at once, and that takes what is on its way to the client
// with it (RFC 9112 §9.6).
func requestAfterTheLastResponseResetsNothing(t *testing.T, d driver) {
	asked, release := make(chan bool), make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			if head == "" {
				return
			}
			if strings.HasPrefix(head, "GET /late") { // on a busy machine it comes before the end
				io.WriteString(c, ok)
				continue
			}
			asked <- true
			<-release
			if strings.HasPrefix(head, "GET /cut") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\n"+strings.Repeat("x", large))
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", large))
		}
	})
	b := d.start(t, []string{addr}, withSettings(func(s *proxyhttp.Settings) { s.KeepaliveTimeout = 50 * time.Millisecond }))
	for _, tc := range []struct{ name, path string }{
		{"idle for too long", "/"},
		{"cut", "/cut"},
		{"the last of a drain", "/last"},
	} {
		c := b.dial()
		begin := c.slowly()
		c.send("GET " + tc.path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		<-asked
		if tc.path == "/last" {
			b.engine.Drain()
		}
		release <- true
		b.active(0)
		time.Sleep(200 * time.Millisecond) // let it be closed
		c.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
		begin()
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if body, err := io.ReadAll(resp.Body); len(body) != large {
			t.Errorf("%s: %d of %d bytes, and then %v", tc.name, len(body), large, err)
		}
	}
}

// It does not take a reset to show that the second is not whole.
func cutTakesNoEarlierResponseWithIt(t *testing.T, d driver) {
	cutTakesNone(t, d, "1.1", "")
	cutTakesNone(t, d, "1.0", "Content-Length: 10\r\n")
}

func cutTakesNone(t *testing.T, d driver, version, framing string) {
	cut := make(chan bool, 2) // a reset that overtakes the response has it asked for again
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for strings.HasPrefix(readHead(r), "GET /whole") {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", large))
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\nhalf")
		time.Sleep(20 * time.Millisecond) // let it be read
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		cut <- true
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	begin := c.slowly()
	c.send("GET /whole HTTP/1.1\r\nHost: a\r\n\r\nGET /half HTTP/" + version + "\r\nHost: a\r\n\r\n")
	<-cut
	b.active(0)
	begin()
	if _, body := c.response("GET"); len(body) != large {
		t.Fatalf("HTTP/%s: got %d of %d bytes", version, len(body), large)
	}
	resp, err := nethttp.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "half" || err == nil {
		t.Errorf("%q looks whole", body)
	}
}
