package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// talker is a UDP endpoint that says its name and what it was told.
func talker(t *testing.T, name string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(fmt.Appendf(nil, "%s %s", name, b[:n]), from)
		}
	})
	t.Cleanup(func() { c.Close(); serving.Wait() })
	return c.LocalAddr().String()
}

// caller is a client of a UDP listener.
type caller struct {
	*testing.T
	net.Conn
}

func (p *proxy) call(listener string) *caller {
	p.t.Helper()
	c, err := net.Dial("udp", p.ListenAddr(listener).String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return &caller{p.t, c}
}

// ask asks until there is an answer, as clients of UDP do. One that comes late is
// not taken for that of the next question.
func (c *caller) ask(s string) string {
	c.Helper()
	for range 100 {
		io.WriteString(c, s)
		if got := c.answer(s, 100*time.Millisecond); got != "" {
			return got
		}
	}
	c.Fatalf("no answer to %q", s)
	return ""
}

// answer waits so long for an answer to s; "" is none.
func (c *caller) answer(s string, patience time.Duration) string {
	b := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := c.Read(b)
		if err != nil {
			return ""
		}
		if got := string(b[:n]); strings.HasSuffix(got, " "+s) {
			return got
		}
	}
}

const udpFile = `
[admin]
listen = "127.0.0.1:0"
[proxy]
engine = "ENGINE"
drain_timeout = "100ms"
[[listener]]
name = "dns"
listen = "127.0.0.1:0"
protocol = "UDP"
service = "dns"
[[service]]
name = "dns"
timeout = "1h"
`

func onEngines(t *testing.T, f func(t *testing.T, file string)) {
	for _, engine := range []string{"loop", "stream"} {
		if engine == "loop" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(engine, func(t *testing.T) { f(t, strings.Replace(udpFile, "ENGINE", engine, 1)) })
	}
}

func TestUDPThroughAReload(t *testing.T) {
	onEngines(t, func(t *testing.T, file string) {
		a, b := talker(t, "a"), talker(t, "b")
		p := run(t, file+list(a))
		old := p.call("dns")
		if got := old.ask("x"); got != "a x" {
			t.Fatalf("got %q", got)
		}
		p.reload(file + list(a, b))
		seen := map[string]bool{}
		for range 4 {
			seen[p.call("dns").ask("y")] = true
		}
		if !seen["a y"] || !seen["b y"] {
			t.Errorf("new sessions meet %v", seen)
		}
		if got := old.ask("z"); got != "a z" {
			t.Errorf("a session was moved by a reload that concerns nobody: %q", got)
		}
		var leases int64
		for _, c := range p.Balancer("dns").Snapshot().Candidates {
			leases += c.Load.Active()
		}
		if leases != 5 {
			t.Errorf("%d leases for 5 sessions", leases)
		}
	})
}

func TestUDPInMetricsAndStatus(t *testing.T) {
	onEngines(t, func(t *testing.T, file string) {
		p := run(t, file+list(talker(t, "a")))
		c := p.call("dns")
		io.WriteString(c, "hello") // once: it is counted
		if got := c.answer("hello", 10*time.Second); got != "a hello" {
			t.Fatalf("got %q", got)
		}
		resp, err := http.Get("http://" + p.ListenAddr("admin").String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		for _, want := range []string{
			`spillway_connections{listener="dns"} 1`,
			`spillway_udp_datagrams_total{direction="from_client",service="dns"} 1`,
			`spillway_udp_datagrams_total{direction="to_client",service="dns"} 1`,
			`spillway_udp_bytes_total{direction="from_client",service="dns"} 5`,
			`spillway_udp_bytes_total{direction="to_client",service="dns"} 7`,
			`spillway_udp_dropped_total{listener="dns",reason="stray"} 0`,
		} {
			if !strings.Contains(string(text), want+"\n") {
				t.Errorf("no %s", want)
			}
		}
		resp, err = http.Get("http://" + p.ListenAddr("admin").String() + "/api/v1/services/dns")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var status struct {
			Groups []struct {
				Endpoints []struct{ Active, Requests int }
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
			t.Fatal(err)
		}
		if e := status.Groups[0].Endpoints[0]; e.Active != 1 || e.Requests != 1 {
			t.Errorf("status %+v", status)
		}
	})
}

// A session that has its answer does not hold up the end for the whole of
// drain_timeout, and one that has not gets it.
func TestUDPDrains(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, file string) {
		asked, answer := make(chan net.Addr, 1), make(chan struct{})
		slow, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		var answering sync.WaitGroup
		answering.Go(func() {
			_, from, err := slow.ReadFrom(make([]byte, 100))
			if err != nil {
				return
			}
			asked <- from
			<-answer
			slow.WriteTo([]byte("late"), from)
		})
		file = strings.Replace(file, `"100ms"`, `"1m"`, 1)
		p := run(t, file+list(slow.LocalAddr().String()))
		c := p.call("dns")
		io.WriteString(c, "x")
		<-asked
		stopped := make(chan struct{})
		go func() { p.stop(); close(stopped) }()
		testkit.Eventually(t, func() bool { return strings.Contains(p.log.String(), "draining") })
		close(answer)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 100)
		if n, err := c.Read(b); err != nil || string(b[:n]) != "late" {
			t.Errorf("%q, %v", b[:n], err)
		}
		<-stopped
		answering.Wait()
		if strings.Contains(p.log.String(), "aborted") {
			t.Error(p.log.String())
		}
	})
}

func TestUDPListenerLeavesByReload(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, file string) {
		a := talker(t, "a")
		p := run(t, file+list(a))
		addr := p.ListenAddr("dns").String()
		p.call("dns").ask("x")
		p.reload(strings.Replace(file, `name = "dns"`, `name = "other"`, 1) + list(a))
		if got := p.call("other").ask("x"); got != "a x" {
			t.Errorf("got %q", got)
		}
		testkit.Eventually(t, func() bool {
			c, err := net.ListenPacket("udp", addr)
			if err != nil {
				return false
			}
			c.Close()
			return true
		})
	})
}

// A listener may come back to an address where the last sessions of the one before
// still talk.
func TestUDPAddressCanBeHadAgainAtOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, file string) {
		file = strings.Replace(file, `"100ms"`, `"1m"`, 1)
		a := talker(t, "a")
		addr := testkit.FreeAddr(t)
		at := strings.Replace(file, `listen = "127.0.0.1:0"
protocol`, `listen = "`+addr+`"
protocol`, 1) + list(a)
		away := strings.Replace(file, `name = "dns"`, `name = "other"`, 1) + list(a)
		p := run(t, at)
		client := p.call("dns")
		client.ask("x")
		p.reload(away)
		if got := client.ask("y"); got != "a y" { // it drains
			t.Errorf("got %q", got)
		}
		p.reload(at)
		if got := client.ask("z"); got != "a z" {
			t.Errorf("got %q", got)
		}
		if log := p.log.String(); !strings.Contains(log, "wanted again") {
			t.Errorf("log does not explain: %s", log)
		}
	})
}

// The ports of UDP are not those of TCP.
func TestOneAddressForBothProtocols(t *testing.T) {
	addr := testkit.FreeAddr(t)
	file := strings.Replace(udpFile, `listen = "127.0.0.1:0"
protocol = "UDP"`, `listen = "`+addr+`"
protocol = "UDP"`, 1)
	file = strings.Replace(file, "engine = \"ENGINE\"\n", "", 1) + list(talker(t, "a")) + `
[[listener]]
name = "web"
listen = "` + addr + `"
service = "web"
[[service]]
name = "web"
` + list(named(t, "b"))
	p := run(t, file)
	p.reload(file)
	if got := p.call("dns").ask("x"); got != "a x" {
		t.Errorf("got %q", got)
	}
	if _, got := p.get("web", "/"); got != "b" {
		t.Errorf("got %q", got)
	}
}
