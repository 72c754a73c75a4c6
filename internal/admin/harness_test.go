package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

// A site is a server with one service, "web", on a real socket.
type site struct {
	t    *testing.T
	addr string
	stop func() // ends Serve and waits for it
	web  *lb.Balancer
}

// serve starts a server. Options that are not given get the parts of "web".
func serve(t *testing.T, o admin.Options) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, o, l)
}

func serveOn(t *testing.T, o admin.Options, l net.Listener) *site {
	t.Helper()
	web, err := lb.New(lb.Options{Name: "web", Groups: []lb.Group{
		{Name: "eu-a", Region: "eu", Zone: "eu-a", Endpoints: []balance.Endpoint{
			{ID: "big", Addr: "10.0.0.2:8080", Weight: 3},
			{Addr: "unix:/run/a.sock", Weight: 1},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if o.Services == nil {
		o.Services = func() []admin.Service {
			return []admin.Service{{Policy: "MAGLEV", Affinity: "HTTP_COOKIE", Protocol: "HTTP", Status: web.Status()}}
		}
	}
	if o.SetAdmin == nil {
		o.SetAdmin = func(service, endpoint string, a lb.Admin) error {
			if service != "web" {
				return fmt.Errorf("no service is named %q", service)
			}
			return web.SetAdmin(endpoint, a)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- admin.NewServer(o).Serve(ctx, l) }()
	s := &site{t: t, addr: l.Addr().String(), web: web}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with a header "K: V" or none.
func (s *site) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, path, s.addr)
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return s.raw(method, b.String())
}

// raw sends bytes as they are and reads one response.
func (s *site) raw(method, request string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, request) // it may be more than the server reads
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{r.StatusCode, r.Header, string(text)}
}

// want checks the status and that an error is a problem (RFC 9457).
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d; body %q", a.status, status, a.body)
	}
	if status < 400 {
		return a
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("an error of type %q", kind)
	}
	var p admin.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("an error that is not JSON: %v: %q", err, a.body)
	}
	if p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" || p.Detail == "" {
		t.Errorf("problem %+v for status %d", p, status)
	}
	return a
}
