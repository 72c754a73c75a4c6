package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/lb"
)

// visitors are clients with cookie jars of their own.
type visitors struct {
	t         *testing.T
	clients   []*http.Client
	transport *http.Transport
}

func newVisitors(t *testing.T, n int) *visitors {
	v := &visitors{t: t, transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(v.transport.CloseIdleConnections)
	for range n {
		jar, _ := cookiejar.New(nil)
		v.clients = append(v.clients, &http.Client{Jar: jar, Transport: v.transport})
	}
	return v
}

// visit makes a request of each, and returns who has answered.
func (v *visitors) visit(p *proxy) []string {
	v.t.Helper()
	on, url := make([]string, len(v.clients)), "http://"+p.ListenAddr("web").String()+"/"
	var wg sync.WaitGroup
	const at = 4
	for part := range at {
		wg.Go(func() {
			for i := part; i < len(on); i += at {
				resp, err := v.clients[i].Get(url)
				if err != nil {
					v.t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					v.t.Errorf("client %d: %d %v", i, resp.StatusCode, err)
				}
				on[i] = string(body)
			}
		})
	}
	wg.Wait()
	return on
}

// stay fails the test if anybody is elsewhere than before.
func (v *visitors) stay(p *proxy, before []string, when string) {
	v.t.Helper()
	moved := 0
	for i, now := range v.visit(p) {
		if now != before[i] {
			moved++
		}
	}
	if moved > 0 {
		v.t.Errorf("%s: %d of %d sessions have moved", when, moved, len(before))
	}
}

// newcomers says where clients without a session go.
func newcomers(p *proxy, n int) map[string]int {
	p.t.Helper()
	met := make(map[string]int)
	for _, who := range newVisitors(p.t, n).visit(p) {
		met[who]++
	}
	return met
}

func cookieKeyText() string {
	var k [32]byte
	rand.Read(k[:])
	return base64.StdEncoding.EncodeToString(k[:])
}

// boundTo is a file with a strong service of three endpoints near, of which each takes
// rate requests per second, and one far away.
func boundTo(addrs []string, rate int, more string, keys ...string) string {
	file := `
[admin]
listen = "127.0.0.1:0"
[proxy]
region = "eu"
drain_timeout = "5s"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[group]]
name = "far"
region = "us"
endpoints = [{ address = "` + addrs[3] + `", id = "e3" }]
[[group]]
name = "near"
region = "eu"
endpoints = [`
	for i, a := range addrs[:3] {
		file += fmt.Sprintf("{ address = %q, id = \"e%d\" }, ", a, i)
	}
	return file + fmt.Sprintf(`]
[[service]]
name = "web"
session_affinity = "STRONG_COOKIE_AFFINITY"
strong_session_affinity_cookie = { ttl = "1h", keys = ["%s"] }
%s
[[service.backend]]
group = "near"
balancing_mode = "RATE"
max_rate_per_endpoint = %d
[[service.backend]]
group = "far"
balancing_mode = "RATE"
max_rate_per_endpoint = 100000
`, strings.Join(keys, `", "`), more, rate)
}

// A session moves when its endpoint dies, once, and for nothing else.
func TestStrongSessionsMoveOnlyWhenTheirEndpointDies(t *testing.T) {
	t.Parallel()
	mortal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "e0") }))
	t.Cleanup(mortal.Close)
	addrs := []string{mortal.Listener.Addr().String(), named(t, "e1"), named(t, "e2"), named(t, "e3")}
	k1, k2 := cookieKeyText(), cookieKeyText()
	p := run(t, boundTo(addrs, 100000, "", k1))
	v := newVisitors(t, 200)
	on := v.visit(p)
	met := make(map[string]int)
	for _, who := range on {
		met[who]++
	}
	if len(met) != 3 || met["e3"] > 0 {
		t.Fatalf("200 sessions begin at %v", met)
	}
	v.stay(p, on, "nothing happens")

	if err := p.Balancer("web").SetAdmin("e1", lb.Drain); err != nil {
		t.Fatal(err)
	}
	v.stay(p, on, "an endpoint is drained")
	if n := newcomers(p, 20); n["e1"] > 0 {
		t.Errorf("new clients of a drained endpoint: %v", n)
	}
	if err := p.Balancer("web").SetAdmin("e1", lb.Ready); err != nil {
		t.Fatal(err)
	}

	p.reload(boundTo(addrs, 1, "", k1)) // three requests per second
	v.stay(p, on, "the group is full")
	if n := newcomers(p, 20); n["e3"] == 0 {
		t.Errorf("new clients of a full group: %v", n)
	}

	p.reload(boundTo(addrs, 100000, "", k2, k1))
	v.stay(p, on, "another key seals")
	p.reload(boundTo(addrs, 100000, "", k2))
	v.stay(p, on, "the old key is gone")

	v.transport.CloseIdleConnections()
	p.stop()
	p = run(t, boundTo(addrs, 100000, "", k2))
	v.stay(p, on, "the proxy was restarted")

	mortal.CloseClientConnections()
	mortal.Close()
	after := v.visit(p)
	for i := range on {
		if moved := after[i] != on[i]; moved != (on[i] == "e0") {
			t.Fatalf("e0 dies: a session on %s is on %s", on[i], after[i])
		}
	}
	v.stay(p, after, "the sessions of the dead endpoint have moved")
	v.stay(p, after, "and once more")
	if _, body := p.admin("/metrics"); !strings.Contains(body, fmt.Sprintf(`spillway_affinity_total{result="moved",service="web"} %d`, met["e0"])) {
		t.Errorf("%d sessions have moved; the metrics say otherwise", met["e0"])
	}
}

// Without keys in the file those of the process last as long as it does, over reloads,
// and longer where another process takes them over.
func TestStrongSessionsOutliveReloadsAndUpgradesWithoutKeys(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 4 {
		list = append(list, fmt.Sprintf("{ address = %q, id = \"e%d\" }", named(t, fmt.Sprintf("e%d", i)), i))
	}
	file := func(cookie string) string {
		return oneListener + "session_affinity = \"STRONG_COOKIE_AFFINITY\"\n" + cookie + "endpoints = [" + strings.Join(list, ", ") + "]\n"
	}
	p := run(t, file(""))
	v := newVisitors(t, 20)
	on := v.visit(p)
	if log := p.log.String(); !strings.Contains(log, "strong_session_affinity_cookie.keys") {
		t.Errorf("the log does not warn: %s", log)
	}
	if _, body := p.admin("/api/v1/services/web"); !strings.Contains(body, `"keeps_sessions":true`) {
		t.Errorf("the admin API does not say that sessions stay: %s", body)
	}
	p.reload(file("timeout = \"7s\"\n"))
	v.stay(p, on, "reloaded")
	key := p.CookieKey()
	withKeys := fmt.Sprintf("strong_session_affinity_cookie = { keys = [%q] }\n", cookieKeyText())
	p.reload(file(withKeys))
	v.stay(p, on, "the file has got keys")
	p.reload(file(""))
	on = v.visit(p)
	if _, body := p.admin("/metrics"); !strings.Contains(body, `spillway_affinity_total{result="invalid",service="web"} 20`) {
		t.Error("a key that has left the file still opens")
	}
	v.transport.CloseIdleConnections()
	p.stop()

	next := runWith(t, file(""), func(o *app.Options) { o.CookieKey = &key })
	v.stay(next, on, "another process has taken over")
	v.transport.CloseIdleConnections()
	next.stop()
	stranger := run(t, file(""))
	v.visit(stranger)
	if _, body := stranger.admin("/metrics"); !strings.Contains(body, `spillway_affinity_total{result="invalid",service="web"} 20`) {
		t.Error("another process knows the sessions without having been told")
	}
}

func TestADrainMovesStrongSessionsIfItIsTo(t *testing.T) {
	var addrs []string
	for i := range 4 {
		addrs = append(addrs, named(t, fmt.Sprintf("e%d", i)))
	}
	p := run(t, boundTo(addrs, 100000, "connection_draining = { keep_sessions = false }", cookieKeyText()))
	v := newVisitors(t, 30)
	on := v.visit(p)
	if err := p.Balancer("web").SetAdmin("e1", lb.Drain); err != nil {
		t.Fatal(err)
	}
	after := v.visit(p)
	for i := range on {
		if moved := after[i] != on[i]; moved != (on[i] == "e1") {
			t.Errorf("e1 is drained: a session on %s is on %s", on[i], after[i])
		}
	}
	v.stay(p, after, "and then")
	if _, body := p.admin("/api/v1/services/web"); !strings.Contains(body, `"affinity":"STRONG_COOKIE_AFFINITY"`) || strings.Contains(body, `"keeps_sessions"`) {
		t.Errorf("the admin API says that sessions stay: %s", body)
	}
}
