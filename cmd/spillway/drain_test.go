package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// echoes starts a TCP endpoint that echoes.
func echoes(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// A tcpProxy is a proxy with TCP services db and other, before endpoints one and two.
type tcpProxy struct {
	*app.App
	t          *testing.T
	file       string
	one, two   string
	admin      string
	connection net.Conn // to one
}

func newTCPProxy(t *testing.T) *tcpProxy {
	t.Helper()
	p := &tcpProxy{t: t, one: echoes(t), two: echoes(t)}
	p.file = write(t, "a.toml", p.text(true)...)
	p.App = proxy(t, p.file)
	p.admin = p.ListenAddr("admin").String()
	p.connection = p.dial()
	return p
}

// text is the file, with both endpoints or with the second alone.
func (p *tcpProxy) text(both bool) []string {
	one := `{ id = "one", address = "` + p.one + `" }, `
	if !both {
		one = ""
	}
	return []string{`[admin]`, `listen = "127.0.0.1:0"`, `[proxy]`, `drain_timeout = "0s"`,
		`[[listener]]`, `name = "db"`, `listen = "127.0.0.1:0"`, `protocol = "TCP"`, `service = "db"`,
		`[[group]]`, `name = "main"`, `endpoints = [` + one + `{ id = "two", address = "` + p.two + `" }]`,
		`[[group]]`, `name = "rest"`, `endpoints = ["` + p.two + `"]`,
		`[[service]]`, `name = "db"`, `backend = [{ group = "main", balancing_mode = "CONNECTION", max_connections = 1000 }, { group = "rest", balancing_mode = "CONNECTION", max_connections = 1 }]`,
		`[[service]]`, `name = "other"`, `endpoints = [{ id = "two", address = "` + p.two + `" }, { id = "its", address = "` + p.two + `" }]`}
}

// dial returns a connection to one, which has carried 3 bytes each way.
func (p *tcpProxy) dial() net.Conn {
	p.t.Helper()
	for before := p.active(); ; {
		c, err := net.Dial("tcp", p.ListenAddr("db").String())
		if err != nil {
			p.t.Fatal(err)
		}
		io.WriteString(c, "abc")
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			p.t.Fatal(err)
		}
		if p.active() > before {
			p.t.Cleanup(func() { c.Close() })
			return c
		}
		c.Close()
	}
}

func (p *tcpProxy) active() int64 {
	for _, g := range p.Balancer("db").Status().Groups {
		for _, e := range g.Endpoints {
			if e.ID == "one" {
				return e.Active
			}
		}
	}
	return 0
}

// A drainRun is a drain that is being waited for.
type drainRun struct {
	t    *testing.T
	out  *lockedBuffer
	done chan result
}

func (p *tcpProxy) drain(args ...string) *drainRun {
	d := &drainRun{p.t, new(lockedBuffer), make(chan result, 1)}
	args = append(append([]string{"drain"}, args...), "--admin", p.admin)
	go func() { d.done <- spillwayWith(p.t, make(chan os.Signal), d.out, args...) }()
	return d
}

func (d *drainRun) says(s string) *drainRun {
	d.t.Helper()
	testkit.Eventually(d.t, func() bool { return strings.Contains(d.out.String(), s) })
	return d
}

func (d *drainRun) ends(code int, says ...string) result {
	d.t.Helper()
	select {
	case r := <-d.done:
		return r.want(d.t, code, says...)
	case <-time.After(20 * time.Second):
		d.t.Fatalf("it does not end:\n%s", d.out)
	}
	return result{}
}

func TestDrainWaitsUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	p := newTCPProxy(t)
	second := p.dial()
	d := p.drain("db", "one", "--wait").says("one of db: DRAIN").says("one of db: 2 connections left, the oldest ").says(" 12 B, cut in 5m0s\n")
	second.Close()
	d.says("one of db: 1 connection left")
	p.connection.Close()
	d.ends(0, "one of db: nothing is left\n")
	spillway(t, "drain", "one", "--wait", "--admin", p.admin).want(t, 0, "nothing is left") // at once
}

func TestDrainTellsWithExitCode4ThatSomethingIsLeft(t *testing.T) {
	p := newTCPProxy(t)
	d := p.drain("one", "--wait", "--timeout", "100ms")
	r := d.ends(4, "one of db: 1 connection left")
	if strings.Contains(r.out, "nothing") || r.err != "" {
		t.Errorf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
}

func TestDrainWaitsForAnEndpointThatLeavesTheFile(t *testing.T) {
	t.Parallel()
	p := newTCPProxy(t)
	d := p.drain("one", "--wait").says("1 connection left")
	write(t, p.file, p.text(false)...)
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	d.says("one of db, which has left the file: 1 connection left")
	spillway(t, "drain", "one", "--admin", p.admin).want(t, 1, "drains already")
	again := p.drain("db", "one", "--wait").says("which has left the file: 1 connection left")
	spillway(t, "status", "--admin", p.admin).want(t, 0, "LEFT ON", "REMOVED", "one", p.one, "6 B")
	p.connection.Close()
	d.ends(0, "one of db, which has left the file: nothing is left")
	again.ends(0)
	spillway(t, "drain", "one", "--wait", "--admin", p.admin).want(t, 1, `no service has an endpoint "one"`)
}

func TestDrainNowEndsWhatIsLeft(t *testing.T) {
	p := newTCPProxy(t)
	p.drain("one", "--now", "--wait").ends(0, "nothing is left")
	if _, err := p.connection.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection: %v, want a reset", err)
	}
	spillway(t, "ready", "one", "--admin", p.admin).want(t, 0, "one of db: READY")
	kept := p.dial()
	write(t, p.file, p.text(false)...)
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	spillway(t, "drain", "one", "--now", "--admin", p.admin).want(t, 0, "one of db: it has left the file, and what it had is cut")
	if _, err := kept.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection to the removed endpoint: %v, want a reset", err)
	}
}

func TestDrainWaitsForAGroup(t *testing.T) {
	t.Parallel()
	p := newTCPProxy(t)
	d := p.drain("db", "--group", "main", "--wait").says("group main of db: capacity_scaler 0").says("group main of db: 1 connection left")
	if s := d.out.String(); strings.Contains(s, "cut in") {
		t.Errorf("a drained group's connections are not cut (spec.md §2.5):\n%s", s)
	}
	p.connection.Close()
	d.ends(0, "group main of db: nothing is left")
	p.connection = p.dialAny()
	spillway(t, "ready", "db", "--group", "main", "--admin", p.admin).want(t, 0)
}

func (p *tcpProxy) dialAny() net.Conn {
	c, err := net.Dial("tcp", p.ListenAddr("db").String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

func TestDrainDoesNotWaitForWhatWillNotCome(t *testing.T) {
	t.Parallel()
	p := newTCPProxy(t)
	d := p.drain("one", "--wait").says("1 connection left")
	if err := p.Balancer("db").SetAdmin("one", lb.Ready); err != nil {
		t.Fatal(err)
	}
	d.ends(1, "one of db is READY again")
	group := p.drain("db", "--group", "main", "--wait").says("1 connection left")
	if err := p.Balancer("db").SetScaler("main", 0.5); err != nil {
		t.Fatal(err)
	}
	group.ends(1, "group main of db is not drained any more")
}

func TestDrainPrintsALineOfJSONForEachChange(t *testing.T) {
	t.Parallel()
	p := newTCPProxy(t)
	d := p.drain("one", "--wait", "--json").says("\n")
	p.connection.Close()
	r := d.ends(0)
	var lines []leftover
	for s := bufio.NewScanner(strings.NewReader(r.out)); s.Scan(); {
		var l leftover
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatalf("%v in %s", err, s.Text())
		}
		lines = append(lines, l)
	}
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2:\n%s", len(lines), r.out)
	}
	first, last := lines[0], lines[1]
	if first.Service != "db" || first.Endpoint != "one" || first.Of != "connections" || first.Active != 1 || first.Bytes != 6 ||
		first.Oldest <= 0 || first.Until == nil || first.Drained || first.Removed {
		t.Errorf("%+v", first)
	}
	if !last.Drained || last.Active != 0 {
		t.Errorf("%+v", last)
	}
}

func TestEndpointAloneMustBeUnique(t *testing.T) {
	p := newTCPProxy(t)
	spillway(t, "drain", "two", "--admin", p.admin).want(t, 2, "is an endpoint of db and other: say of which")
	spillway(t, "drain", "db", "--admin", p.admin).want(t, 2, `"db" is a service`)
	spillway(t, "drain", "nobody", "--admin", p.admin).want(t, 1, `no service has an endpoint "nobody"`)
	spillway(t, "drain", "its", "--admin", p.admin).want(t, 0, "its of other: DRAIN")
	spillway(t, "ready", "its", "--admin", p.admin).want(t, 0, "its of other: READY")
}

func TestStatusShowsWhatRemovedServicesHaveLeft(t *testing.T) {
	p := newTCPProxy(t)
	text := p.text(true) // of which the listener and the last service stay
	text = append(append(text[:8:8], `service = "other"`), text[len(text)-3:]...)
	write(t, p.file, text...)
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	spillway(t, "status", "--admin", p.admin).want(t, 0, "\ndb: it has left the file\nLEFT ON", "REMOVED", "6 B", "5m0s")
	spillway(t, "status", "--json", "--admin", p.admin).want(t, 0, `"retired": [`, `"oldest_seconds"`)
	p.connection.Close()
	testkit.Eventually(t, func() bool {
		return !strings.Contains(spillway(t, "status", "--admin", p.admin).want(t, 0).out, "left the file")
	})
}

func TestSizesAndSpansAreForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_234_567: "1.2 MB", 5e9: "5.0 GB", 1 << 63: "9.2 EB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{1234567: "1ms", 90*time.Second + 1: "1m30s"} {
		if got := span(d).String(); got != want {
			t.Errorf("span(%d) = %s, want %s", d, got, want)
		}
	}
}
