package http_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// answering is an endpoint that answers every request head with reply, and
// counts connections and requests.
type answering struct {
	addr            string
	conns, requests atomic.Int64
	heads           chan string
}

func answer(t *testing.T, reply string) *answering {
	a := &answering{heads: make(chan string, 100)}
	a.addr = scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		a.conns.Add(1)
		for {
			head := readHead(r)
			if !strings.HasSuffix(head, "\r\n\r\n") {
				return
			}
			a.requests.Add(1)
			a.heads <- head
			if _, err := io.WriteString(c, reply); err != nil {
				return
			}
		}
	})
	return a
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// endpoint runs a net/http server and returns its address.
func endpoint(t *testing.T, h nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	addr := s.Listener.Addr().String()
	plain.Store(addr, true)
	t.Cleanup(func() { plain.Delete(addr); s.Close() })
	return addr
}

// scripted runs an endpoint that calls f with each connection, numbered from 0.
func scripted(t *testing.T, f func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	return scriptedAt(t, "tcp", "127.0.0.1:0", f)
}

func scriptedAt(t *testing.T, network, addr string, f func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(n, c, bufio.NewReader(c))
			}()
		}
	}()
	name := l.Addr().String()
	if network == "unix" {
		name = "unix:" + name
	}
	plain.Store(name, true)
	t.Cleanup(func() { plain.Delete(name); l.Close(); <-done })
	return l.Addr().String()
}

// closedPort is an address that refuses connections, and that nobody else gets
// meanwhile: a connection to somewhere else goes out from it.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// A rawClient speaks to the proxy byte by byte.
type rawClient struct {
	t *testing.T
	*clientConn
	r *bufio.Reader
}

func (b *bench) dial() *rawClient {
	b.t.Helper()
	c, err := b.connect()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	b.dialed.add(c)
	c.SetDeadline(time.Now().Add(time.Minute)) // by then it hangs, however busy the machine is
	return &rawClient{b.t, c, bufio.NewReader(c)}
}

func (c *rawClient) send(s string) *rawClient {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return c
}

// response reads one response to a request of this method.
func (c *rawClient) response(method string) (*nethttp.Response, string) {
	c.t.Helper()
	resp, err := nethttp.ReadResponse(c.r, &nethttp.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("response body: %v", err)
	}
	return resp, string(body)
}

// all reads until the proxy closes the connection.
func (c *rawClient) all() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("read: %v", err)
	}
	return string(b)
}

// closed fails the test unless the proxy closes the connection now.
func (c *rawClient) closed() {
	c.t.Helper()
	if rest := c.all(); rest != "" {
		c.t.Errorf("after the response came %q, want the end", rest)
	}
}

// readHead reads a request's head as text, without interpreting it.
func readHead(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// expect reads want and nothing more.
func (c *rawClient) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// end reads to an end in good order.
func (c *rawClient) end() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil {
		c.t.Fatalf("at the end: %q, %v", rest, err)
	}
}

// wantReset is for a client that the proxy has cut off.
func (c *rawClient) wantReset() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("read ended with %v, want a reset", err)
	}
}
