package app_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// A host is a TCP endpoint that says its name and echoes, and keeps its
// connections when it stops to accept.
type host struct {
	name, addr string
	l          net.Listener
	serving    sync.WaitGroup
}

func newHost(t *testing.T, name string) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{name: name, addr: l.Addr().String(), l: l}
	h.serving.Go(h.serve)
	t.Cleanup(func() {
		h.l.Close()
		h.serving.Wait()
	})
	return h
}

func (h *host) serve() {
	for {
		c, err := h.l.Accept()
		if err != nil {
			return
		}
		h.serving.Go(func() {
			defer c.Close()
			io.WriteString(c, h.name)
			io.Copy(c, c)
		})
	}
}

// A keptConn is a client's connection, and the name of the endpoint that it reached.
type keptConn struct {
	net.Conn
	t    *testing.T
	name string
}

func (p *proxy) hold(listener string) *keptConn {
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
	return &keptConn{c, p.t, string(name)}
}

// holdOn is a connection to the endpoint of this name.
func (p *proxy) holdOn(listener, name string) *keptConn {
	p.t.Helper()
	for {
		if h := p.hold(listener); h.name == name {
			return h
		}
	}
}

func (h *keptConn) wantAlive() {
	h.t.Helper()
	h.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(h, "!"); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadFull(h, make([]byte, 1)); err != nil {
		h.t.Fatalf("the connection to %s has ended: %v", h.name, err)
	}
}

func (h *keptConn) wantReset() {
	h.t.Helper()
	h.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := h.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		h.t.Fatalf("the connection to %s: %v, want a reset", h.name, err)
	}
}

func eachEngine(t *testing.T, f func(t *testing.T, engine string)) {
	for _, engine := range []string{"loop", "stream"} {
		if engine == "loop" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(engine, func(t *testing.T) { f(t, engine) })
	}
}

// twoServices is a file of two services that share a group.
func twoServices(engine string, endpoints []*host, draining, otherDraining string) string {
	var list []string
	for _, h := range endpoints {
		list = append(list, fmt.Sprintf("{ id = %q, address = %q }", h.name, h.addr))
	}
	return fmt.Sprintf(`
[proxy]
drain_timeout = "0s"
engine = %q
[admin]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "db"
[[listener]]
name = "other"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "other"
[[group]]
name = "main"
endpoints = [%s]
[[service]]
name = "db"
connection_draining = { draining_timeout = %q }
backend = [{ group = "main" }]
[[service]]
name = "other"
connection_draining = { draining_timeout = %q }
backend = [{ group = "main" }]
`, engine, strings.Join(list, ", "), draining, otherDraining)
}

func TestConnectionsToADrainedEndpointEndWithItsTimeout(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		all := []*host{newHost(t, "a"), newHost(t, "b")}
		p := run(t, twoServices(engine, all, "1h", "1h"))
		c, other := p.holdOn("in", "a"), p.holdOn("other", "a")
		if err := p.Balancer("db").SetAdmin("a", lb.Drain); err != nil {
			t.Fatal(err)
		}
		c.wantAlive()
		p.reload(twoServices(engine, all, "100ms", "100ms"))
		c.wantReset()
		other.wantAlive() // its service has not drained the endpoint
		if log := p.log.String(); !strings.Contains(log, "connections cut") || !strings.Contains(log, "cause=endpoint_drained connections=1") {
			t.Errorf("the log does not tell:\n%s", log)
		}
		testkit.Eventually(t, func() bool {
			_, body := p.get("admin", "/metrics")
			return strings.Contains(body, `spillway_connections_cut_total{cause="endpoint_drained",service="db"} 1`)
		})
	})
}

func TestLongestTimeoutOfAllWhoShareAGroupCounts(t *testing.T) {
	all := []*host{newHost(t, "a"), newHost(t, "b")}
	p := run(t, twoServices("stream", all, "0s", "1h"))
	c := p.holdOn("in", "a")
	first := p.holdOn("in", "b")
	if err := p.Balancer("db").SetAdmin("a", lb.Drain); err != nil {
		t.Fatal(err)
	}
	p.reload(twoServices("stream", all, "1ms", "1h"))
	c.wantAlive()
	p.reload(twoServices("stream", all, "1ms", "0s"))
	c.wantReset()
	first.wantAlive()
}

func TestConnectionsToARemovedEndpointEndWithItsTimeout(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		all := []*host{newHost(t, "a"), newHost(t, "b")}
		p := run(t, twoServices(engine, all, "1h", "1h"))
		c, other := p.holdOn("in", "a"), p.holdOn("in", "b")
		p.reload(twoServices(engine, all[1:], "1h", "1h"))
		for range 4 {
			if h := p.hold("in"); h.name != "b" {
				t.Errorf("a new connection reached %s", h.name)
			}
		}
		c.wantAlive()
		p.reload(twoServices(engine, all[1:], "0s", "0s"))
		c.wantReset()
		other.wantAlive()
	})
}

// A service that is gone takes its connections along, after its own timeout.
func TestConnectionsOfARemovedServiceEnd(t *testing.T) {
	all := []*host{newHost(t, "a")}
	before := twoServices("stream", all, "0s", "0s")
	p := run(t, before)
	c, other := p.hold("in"), p.hold("other")
	head, _, _ := strings.Cut(before, "[[service]]\nname = \"other\"")
	p.reload(strings.Replace(head, `service = "other"`, `service = "db"`, 1))
	other.wantReset()
	c.wantAlive()
	p.hold("other").wantAlive()
}

func TestFailoverEndsConnectionsIfTheFileSaysSo(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, cut := range []bool{true, false} {
			m1, m2, spare := newHost(t, "1"), newHost(t, "2"), newHost(t, "s")
			file := fmt.Sprintf(poolFile, "", m1.addr, m2.addr, spare.addr) + fmt.Sprintf(
				"failover = true\n[service.failover_policy]\nfailover_ratio = 1\ndisable_connection_drain_on_failover = %v\n", cut)
			p := run(t, strings.Replace(file, "[proxy]", "[proxy]\ndrain_timeout = '0s'\nengine = '"+engine+"'", 1))
			well, ill := p.holdOn("in", "1"), p.holdOn("in", "2")
			m2.l.Close() // its connections go on
			testkit.Eventually(t, func() bool { return p.view("db").ActivePool == "BACKUP" })
			on := p.hold("in")
			if on.name != "s" {
				t.Errorf("after the failover a connection reached %s", on.name)
			}
			if cut {
				well.wantReset()
				ill.wantReset()
			} else {
				well.wantAlive()
				ill.wantAlive()
			}
			on.wantAlive()
			p.stop()
		}
	})
}

func TestNeverPersistEndsConnectionsToWhoBecomesUnhealthy(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, policy := range []string{"NEVER_PERSIST", "DEFAULT_FOR_PROTOCOL"} {
			m1, m2, spare := newHost(t, "1"), newHost(t, "2"), newHost(t, "s")
			file := fmt.Sprintf(poolFile, "", m1.addr, m2.addr, spare.addr) +
				"[service.connection_tracking_policy]\nconnection_persistence_on_unhealthy_backends = '" + policy + "'\n"
			p := run(t, strings.Replace(file, "[proxy]", "[proxy]\ndrain_timeout = '0s'\nengine = '"+engine+"'", 1))
			well, ill := p.holdOn("in", "1"), p.holdOn("in", "2")
			m2.l.Close()
			testkit.Eventually(t, func() bool { return strings.Contains(p.view("db").dropped(), "m2:UNHEALTHY") })
			if policy == "NEVER_PERSIST" {
				ill.wantReset()
			} else {
				ill.wantAlive()
			}
			well.wantAlive()
			p.stop()
		}
	})
}

// Idle connections to an endpoint are closed when the operator drains it, and long
// exchanges with it when its time is up.
func TestHTTPLeavesADrainedEndpoint(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		idle, reading := make(chan bool, 1), make(chan bool, 1)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/long" {
					reading <- true
					<-r.Context().Done()
				}
			}),
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateClosed {
					idle <- true
				}
			},
		}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		file := strings.Replace(oneListener, "[admin]", "[proxy]\ndrain_timeout = '0s'\nengine = '"+engine+"'\n[admin]", 1) + list(l.Addr().String())
		p := run(t, file)
		p.get("web", "/")
		if err := p.Balancer("web").SetAdmin(l.Addr().String(), lb.Drain); err != nil {
			t.Fatal(err)
		}
		<-idle
		if err := p.Balancer("web").SetAdmin(l.Addr().String(), lb.Ready); err != nil {
			t.Fatal(err)
		}
		status := make(chan int, 1)
		go func() {
			code, _ := p.get("web", "/long")
			status <- code
		}()
		<-reading
		if err := p.Balancer("web").SetAdmin(l.Addr().String(), lb.Drain); err != nil {
			t.Fatal(err)
		}
		p.reload(file + "connection_draining = { draining_timeout = '1ms' }\n")
		if code := <-status; code != 504 {
			t.Errorf("the exchange that was cut has status %d", code)
		}
	})
}

// A client's connections go together while its session lasts, whatever a reload
// makes of the policy's choice.
func TestSessionsSurviveAReload(t *testing.T) {
	all := []*host{newHost(t, "a")}
	for _, name := range "bcdefghijklmnopqrstuvwxyz" {
		all = append(all, newHost(t, string(name)))
	}
	file := func(hosts []*host, tracked string) string {
		return strings.Replace(twoServices("stream", hosts, "0s", "0s"), "name = \"db\"\n",
			"name = \"db\"\nsession_affinity = \"CLIENT_IP\"\n"+tracked, 1)
	}
	const perSession = "connection_tracking_policy = { tracking_mode = \"PER_SESSION\" }\n"
	p := run(t, file(all[:1], perSession))
	p.hold("in").Close()
	p.reload(file(all, perSession))
	for range 3 {
		if h := p.hold("in"); h.name != "a" {
			t.Errorf("the session was on a, and its next connection reaches %s", h.name)
		}
	}
	p.reload(file(all, ""))
	if h := p.hold("in"); h.name == "a" {
		t.Error("without a session the policy chooses a, too: this test shows nothing")
	}
}

func TestConnectionsBehindTLSAreCutToo(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	h := newHost(t, "a")
	file := strings.Replace(secured(certificates.Server("127.0.0.1"), h.addr, h.addr, ""), "\n[[listener]]",
		"[proxy]\ndrain_timeout = '0s'\n\n[[listener]]", 1) + "connection_draining = { draining_timeout = '0s' }\n"
	p := run(t, file)
	c, err := p.dialTLS("raw", &tls.Config{RootCAs: certificates.Pool})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.Balancer("raw").SetAdmin(h.addr, lb.Drain); err != nil {
		t.Fatal(err)
	}
	(&keptConn{c, t, "a"}).wantReset()
}
