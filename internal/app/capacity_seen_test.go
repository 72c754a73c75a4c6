package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// twoGroups is a service whose near group, eu/a, can take rate requests a second.
func twoGroups(near, far string, rate int, scaler string) string {
	return fmt.Sprintf(`
[proxy]
region = "eu"
zone = "a"
[admin]
listen = "127.0.0.1:0"
[[group]]
name = "eu"
region = "eu"
endpoints = [{ address = %q, zone = "a" }]
[[group]]
name = "us"
region = "us"
zone = "us-a"
endpoints = [%q]
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
[[service.backend]]
group = "eu"
balancing_mode = "RATE"
max_rate_per_endpoint = %d
capacity_scaler = %s
[[service.backend]]
group = "us"
balancing_mode = "RATE"
max_rate = 1000
`, near, far, rate, scaler)
}

// A capacityView is what the admin API says of groups with capacity.
type capacityView struct {
	Groups []struct {
		Name           string
		Capacity       float64
		CapacityScaler float64 `json:"capacity_scaler"`
		Drained        bool
	}
	Spills []struct {
		From, To string
		Count    int
	}
}

func (p *proxy) capacities() (v capacityView) {
	p.t.Helper()
	_, body := p.admin("/api/v1/services/web")
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatal(err)
	}
	return v
}

// admin gets a path of the admin API.
func (p *proxy) admin(path string) (int, string) {
	p.t.Helper()
	return p.get("admin", path)
}

func TestWhatTheOperatorScalesStaysUntilTheFileSaysOtherwise(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	near, far := named(t, "near"), named(t, "far")
	p := run(t, twoGroups(near, far, 500, "1.0"))
	scale := func(group, scaler string, status int) {
		t.Helper()
		if code, body := p.post("/api/v1/services/web/groups/"+group, `{"capacity_scaler":`+scaler+`}`); code != status {
			t.Fatalf("%d, want %d: %s", code, status, body)
		}
	}
	want := func(scaler, capacity float64, serves string) {
		t.Helper()
		if g := p.capacities().Groups[0]; g.CapacityScaler != scaler || g.Capacity != capacity || g.Drained != (scaler == 0) {
			t.Errorf("%+v, want a scaler of %v and a capacity of %v", g, scaler, capacity)
		}
		if _, who := p.get("web", "/"); who != serves {
			t.Errorf("%s serves, want %s", who, serves)
		}
	}
	want(1, 500, "near")
	scale("eu%2Fa", "0.5", 200)
	want(0.5, 250, "near")
	scale("eu/a", "0", 200)
	want(0, 0, "far")
	scale("us", "0", 409) // it is the last
	p.reload(twoGroups(near, far, 500, "1.0"))
	want(0, 0, "far")
	p.reload(twoGroups(near, far, 400, "1.0")) // another target is no word on the scaler
	want(0, 0, "far")
	p.reload(twoGroups(near, far, 400, "0.5"))
	want(0.5, 200, "near")
	scale("eu/a", "0", 200)
	scale("eu/a", "null", 200)
	want(0.5, 200, "near")
}

func TestSpillsAreSeenWhereverOneLooks(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	p := run(t, twoGroups(named(t, "near"), named(t, "far"), 3, "1.0"))
	served := make(map[string]int)
	for range 20 { // of which the near group can take three a second
		_, who := p.get("web", "/")
		served[who]++
	}
	if served["far"] == 0 || served["near"] < 3 {
		t.Fatalf("served by %v", served)
	}
	v := p.capacities()
	if len(v.Spills) != 1 || v.Spills[0].From != "eu/a" || v.Spills[0].To != "us" || v.Spills[0].Count != served["far"] {
		t.Errorf("spills %+v, and far served %d", v.Spills, served["far"])
	}
	resp, err := http.Get("http://" + p.ListenAddr("admin").String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, _ := io.ReadAll(resp.Body)
	for _, line := range []string{
		`spillway_group_capacity{group="eu/a",service="web"} 3`,
		`spillway_group_capacity{group="us",service="web"} 1000`,
		fmt.Sprintf(`spillway_spill_total{from="eu/a",service="web",to="us"} %d`, served["far"]),
		`spillway_group_usage{group="eu/a",service="web"} `, `spillway_group_fullness{group="us",service="web"} 0.0`,
		`spillway_group_share_expected{group="eu/a",service="web"} `, `spillway_group_share_actual{group="us",service="web"} `,
	} {
		if !strings.Contains(string(metrics), "\n"+line) {
			t.Errorf("no metric %s", line)
		}
	}
}
