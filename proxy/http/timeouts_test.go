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

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// soon is a timeout for tests to wait for; what is well takes less on any machine.
const soon = time.Second

// silent is an endpoint that reads and says nothing.
func silent(t *testing.T) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
}

func noResponseInTimeIs504(t *testing.T, d driver) {
	var requests atomic.Int64
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHead(r) != "" {
			if requests.Add(1) == 1 {
				io.WriteString(c, ok)
			}
		}
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET") // so that there is a connection
	hasty := *b.service
	hasty.Timeout = soon
	settings := *b.settings
	settings.Routes = proxy.NewRoutes(nil, &hasty)
	b.engine.SetSettings(&settings)
	resp, _ := c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if resp.StatusCode != 504 || !strings.Contains(resp.Header.Get("Proxy-Status"), "http_response_timeout") {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
	if b.failures() != 1 {
		t.Error("a timeout is the endpoint's failure")
	}
	testkit.Eventually(t, func() bool { return requests.Load() >= 2 })
	if n := requests.Load(); n != 2 {
		t.Errorf("the endpoint saw %d requests, want 2: what it did with one that timed out is not known", n)
	}
}

func routesTimeoutStandsInForTheServices(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withRoute(func(r *proxy.Route) { r.Timeout = soon }))
	if resp, _ := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode != 504 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func bodyThatDoesNotComeIs408(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withService(func(s *proxy.Service) { s.Timeout = soon }))
	c := b.dial().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
	if resp, _ := c.response("POST"); resp.StatusCode != 408 {
		t.Errorf("got %d", resp.StatusCode)
	}
	b.active(0)
	if b.failures() != 0 {
		t.Error("the client was slow, and the endpoint was blamed")
	}
}

func responseThatStopsIsCut(t *testing.T, d driver) {
	stops := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
		io.Copy(io.Discard, r)
	})
	b := d.start(t, []string{stops}, withService(func(s *proxy.Service) { s.Timeout = 3 * soon })) // by then it has begun
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := c.all(); !strings.HasSuffix(got, "\r\n\r\nabc") {
		t.Errorf("got %q", got)
	}
}

func slowHeadIs408(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = soon }))
	c := b.dial().send("GET / HTTP/1.1\r\nHo")
	if resp, _ := c.response("GET"); resp.StatusCode != 408 {
		t.Errorf("got %d", resp.StatusCode)
	}
	c.closed()
}

func idleClientIsClosed(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.KeepaliveTimeout = 50 * time.Millisecond }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.response("GET")
	c.closed()
}

// drip writes s again and again, slowly, until nobody wants it.
func drip(c net.Conn, s string) {
	for {
		if _, err := io.WriteString(c, s); err != nil {
			return
		}
		time.Sleep(soon / 20)
	}
}

// Every byte comes in time, and the whole does not.
func headThatTricklesIs408(t *testing.T, d driver) {
	b := d.start(t, []string{silent(t)}, withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = soon }))
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	go drip(c, "x")
	if resp, _ := c.response("GET"); resp.StatusCode != 408 || !resp.Close {
		t.Errorf("got %d, close %v", resp.StatusCode, resp.Close)
	}
}

func bodyThatTricklesIs408(t *testing.T, d driver) {
	for framing, piece := range map[string]string{"Content-Length: 1000000\r\n": "x", "Transfer-Encoding: chunked\r\n": "1\r\nx\r\n"} {
		t.Run(strings.TrimSpace(framing), func(t *testing.T) {
			t.Parallel()
			b := d.start(t, []string{silent(t)}, withService(func(s *proxy.Service) { s.Timeout = soon }))
			c := b.dial().send(post(framing))
			go drip(c, piece)
			if resp, _ := c.response("POST"); resp.StatusCode != 408 || !resp.Close {
				t.Errorf("got %d, close %v", resp.StatusCode, resp.Close)
			}
			c.Close()
			b.active(0)
			if n := b.failures(); n != 0 {
				t.Errorf("%d failures: the client was slow, and the endpoint was blamed", n)
			}
		})
	}
}

func responseThatTricklesIsCut(t *testing.T, d driver) {
	for framing, piece := range map[string]string{
		"Content-Length: 1000000\r\n": "x", "Transfer-Encoding: chunked\r\n": "1\r\nx\r\n", "Connection: close\r\n": "x",
	} {
		t.Run(strings.TrimSpace(framing), func(t *testing.T) {
			t.Parallel()
			addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n")
				drip(c, piece)
			})
			b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = 2 * soon }))
			c := b.dial().send(get(""))
			resp, err := nethttp.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err == nil {
				t.Errorf("%d: %d bytes ended as if they were whole", resp.StatusCode, len(body))
			}
			b.active(0)
			if n := b.failures(); n != 1 {
				t.Errorf("%d failures, want 1", n)
			}
		})
	}
}

// A client that reads nothing holds its endpoint no longer than the service's
// time, and the endpoint is not to blame.
func readerThatIsSlowIsCut(t *testing.T, d driver) {
	timeout := soon
	if d.tls || d.toTLS {
		timeout *= 5 // some megabytes fill the kernel, and a busy machine seals no more in a second
	}
	for _, framing := range []string{"Content-Length: 1000000000\r\n", "Connection: close\r\n"} {
		t.Run(strings.TrimSpace(framing), func(t *testing.T) {
			t.Parallel()
			ended := make(chan bool, 1)
			addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
				readHead(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n")
				io.Copy(c, zeros{})
				ended <- true
			})
			b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = timeout }))
			c := b.dial()
			c.SetReadBuffer(4096) // so that it is full long before the time is up
			c.send(get(""))
			<-ended
			b.active(0)
			if n := b.failures(); n != 0 {
				t.Errorf("%d failures, want 0", n)
			}
		})
	}
}
