package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// holder runs a TCP endpoint that says its name, of one byte, and stays until the
// client leaves.
func holder(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	hold := func(c net.Conn) {
		defer c.Close()
		_, _ = io.WriteString(c, name)
		_, _ = io.Copy(io.Discard, c)
	}
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go hold(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// held opens a connection that stays, and returns who is at its other end.
func (p *proxy) held(listener string) (net.Conn, string) {
	p.t.Helper()
	c, err := net.Dial("tcp", p.ListenAddr(listener).String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	name := make([]byte, 1)
	if _, err := io.ReadFull(c, name); err != nil {
		p.t.Fatal(err)
	}
	return c, string(name)
}

// A group of two zones, of which the proxy is in the second.
const twoZones = `
[admin]
listen = "127.0.0.1:0"
[proxy]
region = "eu"
zone = "b"
[[group]]
name = "db"
region = "eu"
endpoints = [{ address = "A", zone = "a" }, { address = "B", zone = "b" }]
[[listener]]
name = "db"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "db"
[[service]]
name = "db"
timeout = "0s"
service_lb_policy = { load_balancing_algorithm = "WATERFALL_BY_ZONE" }
[[service.backend]]
group = "db"
balancing_mode = "CONNECTION"
max_connections_per_endpoint = 2
`

func TestConnectionsFillTheProxysZoneThenTheNext(t *testing.T) {
	file := strings.NewReplacer(`"A"`, fmt.Sprintf("%q", holder(t, "A")), `"B"`, fmt.Sprintf("%q", holder(t, "B"))).Replace(twoZones)
	p := run(t, file)
	var first net.Conn
	for i, want := range []string{"B", "B", "A", "A"} {
		c, got := p.held("db")
		if got != want {
			t.Fatalf("connection %d is on %s, want %s", i, got, want)
		}
		if i == 0 {
			first = c
		}
	}
	if _, got := p.held("db"); got == "" {
		t.Fatal("nobody served when all were full")
	}
	first.Close()

	// The operator drains the zone, and thinks better of it; then the file says that
	// there is more room.
	scale := func(scaler string) {
		t.Helper()
		if code, body := p.post("/api/v1/services/db/groups/db/b", `{"capacity_scaler":`+scaler+`}`); code != http.StatusOK {
			t.Fatalf("%d: %s", code, body)
		}
	}
	scale("0")
	for range 3 {
		if _, got := p.held("db"); got != "A" {
			t.Fatalf("a drained zone got a connection: %s", got)
		}
	}
	scale("null")
	p.reload(strings.Replace(file, "per_endpoint = 2", "per_endpoint = 20", 1))
	if _, got := p.held("db"); got != "B" {
		t.Errorf("with room again in the proxy's zone it is on %s", got)
	}

	if code, body := p.post("/api/v1/services/db/groups/db%2Fa", `{"capacity_scaler":0.5}`); code != http.StatusOK {
		t.Errorf("%d: %s", code, body)
	}

	// Distances are part of what a reload changes.
	p.reload(strings.Replace(strings.Replace(file, "per_endpoint = 2", "per_endpoint = 20", 1), `zone = "b"
[[group]]`, `zone = "a"
[[group]]`, 1))
	if _, got := p.held("db"); got != "A" {
		t.Errorf("the proxy is in the other zone now, and it is on %s", got)
	}
}
