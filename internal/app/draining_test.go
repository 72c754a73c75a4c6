package app_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// A departure is a way in which an endpoint gets nothing new any more.
type departure struct {
	name    string
	happen  func(*drainage)
	removed bool
	cut     string // the cause at expiry; "": it never comes
	udp     string // who has the datagrams of a session that was on a meanwhile
}

var departures = []departure{
	{"drained by the operator", func(d *drainage) {
		for _, kind := range kinds {
			if err := d.Balancer(kind).SetAdmin("a", lb.Drain); err != nil {
				d.t.Fatal(err)
			}
		}
	}, false, "endpoint_drained", "a"},
	{"removed by a reload", func(d *drainage) { d.reload(d.text([]string{"a"})) }, true, "endpoint_removed", "a"},
	{"removed by discovery", func(d *drainage) { d.members["a"] = false; d.list() }, true, "endpoint_removed", "a"},
	{"ill", func(d *drainage) {
		for _, kind := range kinds {
			if err := d.Balancer(kind).SetHealth("a", health.Unhealthy, "ill"); err != nil {
				d.t.Fatal(err)
			}
		}
	}, false, "", "b"},
}

// TestDraining is the table of spec.md §9.1, for every way in which an endpoint gets
// nothing new.
func TestDraining(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, way := range departures {
			t.Run(way.name, func(t *testing.T) { drain(t, engine, way) })
		}
	})
}

func drain(t *testing.T, engine string, way departure) {
	d := newDrainage(t, engine)
	soon, stuck, half := d.waitAt(d.a, d.b, "/soon"), d.waitAt(d.a, d.b, "/wait"), d.waitAt(d.a, d.b, "/half")
	keepAlive := d.browse()
	for name := ""; name != "a"; {
		_, name, _ = keepAlive.send("/", "").answer()
	}
	testkit.Eventually(t, func() bool { return d.a.open.Load() >= 4 }) // those of three requests, and what is kept
	chat := d.chatAt("a")
	conn := d.holdOn("tcp", "a")
	conn.wantAlive()
	session := d.call("udp")
	for session.ask("x") != "a x" {
		session = d.call("udp")
	}

	way.happen(d)
	d.gone()
	draining := func() { // from here on, everything that is there goes on and nothing comes
		for range 6 {
			if status, name, err := keepAlive.send("/", "").answer(); status != 200 || name != "b" || err != nil {
				t.Errorf("a kept connection's next request: %d from %q, %v; want b", status, name, err)
			}
		}
	}

	t.Run("application, during", func(t *testing.T) {
		draining()
		if way.cut != "" { // one that is ill may be well again
			testkit.Eventually(t, func() bool { return d.a.open.Load() == 3 })
		}
		chat.wantEcho()
	})
	t.Run("proxy NLB, during", func(t *testing.T) {
		conn.wantAlive()
		for range 4 {
			if h := d.hold("tcp"); h.name != "b" {
				t.Errorf("a new connection reaches %s", h.name)
			}
		}
	})
	t.Run("passthrough, during", func(t *testing.T) {
		if way.udp == "b" { // as soon as the session is forgotten
			testkit.Eventually(t, func() bool { return session.ask("y") == "b y" })
		} else if got := session.ask("y"); got != "a y" {
			t.Errorf("a session's next datagram: %q, want a", got)
		}
		for range 4 {
			if got := d.call("udp").ask("x"); got != "b x" {
				t.Errorf("a new session: %q", got)
			}
		}
	})
	t.Run("what is left is told", func(t *testing.T) { d.wantTold(t, way) })
	t.Run("a request under way finishes", func(t *testing.T) {
		close(d.a.soon)
		if status, body, err := soon.answer(); status != 200 || body != "a" || err != nil {
			t.Errorf("got %d %q %v", status, body, err)
		}
	})
	if way.cut == "" {
		close(d.a.release)
		return
	}

	d.limit = "0s"
	if way.removed {
		d.reload(d.text([]string{"a"}))
	} else {
		d.reload(d.text(nil))
	}
	t.Run("application, at expiry", func(t *testing.T) {
		if status, _, err := stuck.answer(); status != 504 || err != nil {
			t.Errorf("a request without a response: %d, %v; want a 504", status, err)
		}
		if status, body, err := half.answer(); status != 200 || err == nil {
			t.Errorf("half a response: %d %q, and it looks whole", status, body)
		}
		if n, err := chat.r.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("a tunnel: %d bytes, %v; want its end", n, err)
		}
		draining()
	})
	t.Run("proxy NLB, at expiry", func(t *testing.T) { conn.wantReset() })
	t.Run("passthrough, at expiry", func(t *testing.T) {
		testkit.Eventually(t, func() bool { return session.ask("z") == "b z" })
	})
	t.Run("and then nothing is left", func(t *testing.T) {
		for _, kind := range kinds {
			testkit.Eventually(t, func() bool { _, _, ok := d.left(kind); return !ok })
		}
		for kind, n := range map[string]int{"http": 3, "tcp": 1, "udp": 1} {
			counted := fmt.Sprintf(`spillway_connections_cut_total{cause=%q,service=%q} %d`, way.cut, kind, n)
			logged := fmt.Sprintf("service=%s endpoint=a cause=%s connections=%d", kind, way.cut, n)
			testkit.Eventually(t, func() bool { // they are gone before it is written down
				_, metrics := d.get("admin", "/metrics")
				return strings.Contains(metrics, counted) && strings.Contains(d.log.String(), logged)
			})
		}
		testkit.Eventually(t, func() bool { return d.a.open.Load() == 0 })
	})
}

// wantTold checks what the admin API says of a.
func (d *drainage) wantTold(t *testing.T, way departure) {
	for kind, n := range map[string]int64{"http": 4, "tcp": 1, "udp": 1} {
		left, removed, ok := d.left(kind)
		if kind == "udp" && way.udp == "b" {
			if ok {
				t.Errorf("%s: %+v is left, and nothing should be", kind, left)
			}
			continue
		}
		if !ok || removed != way.removed || left.Active != n || left.Bytes == 0 || left.Oldest <= 0 || left.Oldest > 600 {
			t.Errorf("%s: left is %+v, removed %v, told %v; want %d active, with their bytes and age", kind, left, removed, ok, n)
		}
		if way.cut == "" {
			if left.Until != nil {
				t.Errorf("%s: they are cut at %v, and never should be", kind, left.Until)
			}
		} else if left.Until == nil || time.Until(*left.Until) > time.Hour || time.Until(*left.Until) < 50*time.Minute {
			t.Errorf("%s: they are cut at %v, want in an hour", kind, left.Until)
		}
	}
	if way.removed {
		_, metrics := d.get("admin", "/metrics")
		if want := `spillway_removed_endpoint_active{endpoint="a",group="tcp",service="tcp"} 1`; !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
}

// Vector T18 of spec.md: drain timeouts of 100 and 200 s on a shared group make 200 s.
func TestT18LargestDrainingTimeoutOfWhoShareAGroup(t *testing.T) {
	a, b := newHost(t, "a"), newHost(t, "b")
	p := run(t, twoServices("stream", []*host{a, b}, "100s", "200s"))
	d := &drainage{proxy: p}
	for service, listener := range map[string]string{"db": "in", "other": "other"} {
		before := time.Now()
		conn := p.holdOn(listener, "a")
		if err := p.Balancer(service).SetAdmin("a", lb.Drain); err != nil {
			t.Fatal(err)
		}
		left, _, ok := d.left(service)
		if !ok || left.Until == nil || left.Until.Before(before.Add(200*time.Second)) || left.Until.After(time.Now().Add(200*time.Second)) {
			t.Errorf("%s: what is left is %+v, to be cut in 200 s of %v", service, left, before)
		}
		conn.wantAlive()
	}
}

func TestWhatARemovedServiceHasLeftIsListed(t *testing.T) {
	a := newHost(t, "a")
	before := twoServices("stream", []*host{a}, "1h", "1h")
	p := run(t, before)
	p.hold("in").wantAlive()
	other := p.hold("other")
	other.wantAlive()
	head, _, _ := strings.Cut(before, "[[service]]\nname = \"other\"")
	p.reload(strings.Replace(head, `service = "other"`, `service = "db"`, 1))
	retired := func() (v []admin.RetiredStatus) {
		t.Helper()
		_, body := p.get("admin", "/api/v1/services")
		var all struct {
			Services []admin.ServiceStatus
			Retired  []admin.RetiredStatus
		}
		if err := json.Unmarshal([]byte(body), &all); err != nil || len(all.Services) != 1 {
			t.Fatalf("%v in %s", err, body)
		}
		return all.Retired
	}
	got := retired()
	if len(got) != 1 || got[0].Name != "other" || got[0].Protocol != "TCP" || len(got[0].Removed) != 1 {
		t.Fatalf("retired are %+v", got)
	}
	// Its name, and what it has echoed.
	if r := got[0].Removed[0]; r.ID != "a" || r.Address != a.addr || r.Group != "main" || r.Active != 1 || r.Bytes != 3 || r.Oldest <= 0 || r.Until == nil {
		t.Errorf("%+v", r)
	}
	other.wantAlive()
	other.Close()
	testkit.Eventually(t, func() bool { return retired() == nil })
}

func TestWhatIsLeftBehindTLSIsToldAndCut(t *testing.T) {
	certificates := testkit.NewCertificates(t)
	h := newHost(t, "a")
	p := run(t, strings.Replace(secured(certificates.Server("127.0.0.1"), h.addr, h.addr, ""), "\n[[listener]]",
		"[proxy]\ndrain_timeout = '0s'\n[admin]\nlisten = '127.0.0.1:0'\n\n[[listener]]", 1))
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
	d := &drainage{proxy: p}
	testkit.Eventually(t, func() bool { // what it has read is counted once it was written
		left := d.status("raw").Groups[0].Endpoints[0].Connections
		return left != nil && left.Active == 1 && left.Bytes > 0 && left.Oldest > 0
	})
	resp, err := http.Post("http://"+p.ListenAddr("admin").String()+"/api/v1/services/raw/endpoints/"+url.PathEscape(h.addr),
		"application/json", strings.NewReader(`{"cut":true}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	(&keptConn{c, t, "a"}).wantReset()
	testkit.Eventually(t, func() bool { return d.status("raw").Groups[0].Endpoints[0].Active == 0 })
}
