package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// warmth is what the admin API says of each endpoint's warm-up, by ID.
func (p *proxy) warmth(service string) map[string]float64 {
	p.t.Helper()
	var v struct {
		Groups []struct {
			Endpoints []struct {
				ID   string
				Warm float64
			}
		}
	}
	_, body := p.get("admin", "/api/v1/services/"+service)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	warm := make(map[string]float64)
	for _, g := range v.Groups {
		for _, e := range g.Endpoints {
			warm[e.ID] = e.Warm
		}
	}
	return warm
}

// share is the part of n requests that the endpoint with this name answers.
func (p *proxy) share(name string, n int) float64 {
	p.t.Helper()
	got := 0
	for range n {
		if _, body := p.get("web", "/"); body == name {
			got++
		}
	}
	return float64(got) / float64(n)
}

func TestEndpointThatAReloadBringsWarmsUp(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	slow := func(window string, addrs ...string) string {
		return oneListener + list(addrs...) + "[service.slow_start]\nwindow = \"" + window + "\"\n"
	}
	p := run(t, slow("1h", a, b))
	if w := p.warmth("web"); w[a] != 1 || w[b] != 1 {
		t.Errorf("at the start: %v", w)
	}
	p.reload(slow("1h", a, b, c))
	const n = 420
	got, before := p.share("c", n), p.warmth("web")
	// An hour has not moved on: a tenth beside two wholes.
	if want := 0.1 / 2.1; got < want/2 || got > want*1.5 || before[c] > 0.11 || before[a] != 1 {
		t.Errorf("share of c is %.4f, want %.4f; warmth %v", got, want, before)
	}
	_, body := p.get("admin", "/api/v1/services/web/explain")
	if want := c + " warms up: it has 10 % of its weight"; !strings.Contains(body, want) {
		t.Errorf("explain does not say %q: %s", want, body)
	}

	p.reload(slow("1h", c, b, a)) // nothing has changed
	if w := p.warmth("web"); w[c] != before[c] {
		t.Errorf("after a reload: %v", w)
	}
	p.reload(slow("1s", a, b, c))
	testkit.Eventually(t, func() bool { return p.warmth("web")[c] == 1 && p.status("web", c).ShareExpected > 0.33 })
	if got := p.share("c", n); got < 0.32 || got > 0.35 {
		t.Errorf("share of c is %.4f when it is warm", got)
	}
}

const shedFile = `
[admin]
listen = "127.0.0.1:0"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[listener]]
name = "tcp"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "tcp"
[[service]]
name = "web"
panic = "shed"
panic_threshold = 50
endpoints = [%[1]s]
health_check = { type = "TCP", check_interval = "1s", timeout = "1s" }
[[service]]
name = "tcp"
protocol = "TCP"
panic = "shed"
panic_threshold = 50
endpoints = [%[2]s]
health_check = { type = "TCP", check_interval = "1s", timeout = "1s" }
`

// fifth makes five endpoints of one at addr, of which four are not there.
func fifth(addr string) string {
	all := fmt.Sprintf("%q", addr)
	for i := range 4 {
		all += fmt.Sprintf(", { id = %q, address = \"127.0.0.1:1\" }", fmt.Sprint("gone", i))
	}
	return all
}

// TestShedRefusesWhatIsTooMuch: one of five endpoints is well, and gets a fifth of the
// requests; the others are told to come again.
func TestShedRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	s := newSpeaker(t, "s")
	p := run(t, fmt.Sprintf(shedFile, fifth(named(t, "a")), fifth(s.addr)))
	testkit.Eventually(t, func() bool {
		_, metrics := p.get("admin", "/metrics")
		return strings.Contains(metrics, `spillway_panic{service="web"} 1`) && strings.Contains(metrics, `spillway_panic{service="tcp"} 1`)
	})
	const n = 100
	served := 0
	for range n {
		resp, err := http.Get("http://" + p.ListenAddr("web").String())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			served++
		case http.StatusServiceUnavailable:
			if again := resp.Header.Get("Retry-After"); again != "1" {
				t.Errorf("refused with Retry-After %q", again)
			}
		default:
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if served < n/5-2 || served > n/5+2 {
		t.Errorf("HTTP: %d of %d requests served, want %d", served, n, n/5)
	}
	connected := 0
	for range n {
		switch who := p.who("tcp"); who {
		case "s":
			connected++
		case "":
		default:
			t.Errorf("connected to %q", who)
		}
	}
	if connected < n/5-2 || connected > n/5+2 {
		t.Errorf("TCP: %d of %d connections served, want %d", connected, n, n/5)
	}
	_, metrics := p.get("admin", "/metrics")
	for _, want := range []string{
		`spillway_panics_total{service="web"} 1`, fmt.Sprintf(`spillway_shed_total{service="web"} %d`, n-served),
		fmt.Sprintf(`spillway_shed_total{service="tcp"} %d`, n-connected),
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics do not have %s", want)
		}
	}
	if line := `msg="panic: too few endpoints are healthy" service=web mode=shed`; !strings.Contains(p.log.String(), line) {
		t.Errorf("the log does not have %s", line)
	}
	_, body := p.get("admin", "/api/v1/services/web/explain")
	if want := "too few endpoints are healthy: 80 % of the requests are refused"; !strings.Contains(body, want) {
		t.Errorf("explain does not say %q: %s", want, body)
	}
}
