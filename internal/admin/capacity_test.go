package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

// A fleet is a proxy with one service of groups whose scalers can be set.
type fleet struct {
	status lb.Status
	refuse error
	calls  []string
}

// newFleet has a group of each kind that the API tells apart.
func newFleet() *fleet {
	return &fleet{status: lb.Status{
		Name: "web",
		Groups: []lb.GroupStatus{
			{Name: "eu/a", Region: "eu", Zone: "eu-a", Mode: capacity.Rate, Target: 200, Scaler: 1, Capacity: 200,
				Usage: 151.2, Fullness: 0.756, Share: 1, ShareActual: 0.98, RTT: 1500 * time.Microsecond},
			{Name: "us", Region: "us", Mode: capacity.Connection, Target: 50, Drained: true, Tier: -1, RTT: -1},
			{Name: "plain", Endpoints: []lb.EndpointStatus{{ID: "x", ShareExpected: 0.25, ShareActual: 0.5}, {ID: "y", ShareExpected: 0.125}}},
		},
		Spills: []lb.Spill{{From: "eu/a", To: "us", Count: 7}},
	}}
}

func (d *fleet) options() admin.Options {
	return admin.Options{
		Services: func() []admin.Service { return []admin.Service{{Policy: "ROUND_ROBIN", Status: d.status}} },
		SetScaler: func(service, group string, scaler *float64) error {
			if d.refuse != nil {
				return d.refuse
			}
			x := 0.7 // the file's
			if scaler != nil {
				x = *scaler
			}
			d.calls = append(d.calls, fmt.Sprint(service, " ", group, " ", x))
			d.status.Groups[0].Scaler = x
			return nil
		},
	}
}

func TestGroupsShowTheirCapacity(t *testing.T) {
	s := serve(t, newFleet().options())
	var got struct {
		Groups []map[string]any
		Spills []map[string]any
	}
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/services/web", "").want(t, 200).body), &got); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"balancing_mode":"RATE","capacity":200,"capacity_scaler":1,"drained":false,"endpoints":[],"failover":false,"fullness":0.756,` +
			`"name":"eu/a","region":"eu","rtt":0.0015,"share":1,"share_actual":0.98,"target":200,"tier":0,"usage":151.2,"zone":"eu-a"}`,
		`{"balancing_mode":"CONNECTION","capacity":0,"capacity_scaler":0,"drained":true,"endpoints":[],"failover":false,"fullness":0,` +
			`"name":"us","region":"us","share":0,"share_actual":0,"target":50,"tier":-1,"usage":0,"zone":""}`,
	}
	for i, want := range want {
		if b, _ := json.Marshal(got.Groups[i]); string(b) != want {
			t.Errorf("got  %s\nwant %s", b, want)
		}
	}
	if b, _ := json.Marshal(got.Spills); string(b) != `[{"count":7,"from":"eu/a","to":"us"}]` {
		t.Errorf("spills %s", b)
	}
	plain := got.Groups[2]
	if _, ok := plain["target"]; ok || plain["share"] != 0.375 || plain["share_actual"] != 0.5 {
		t.Errorf("a group without a mode: %v", plain)
	}
}

// TestNoNumberBreaksTheAnswer: JSON has neither infinity nor NaN.
func TestNoNumberBreaksTheAnswer(t *testing.T) {
	d := newFleet()
	d.status.Groups[0].Fullness, d.status.Groups[0].Usage = math.Inf(1), math.NaN()
	s := serve(t, d.options())
	var v admin.ServiceStatus
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/services/web", "").want(t, 200).body), &v); err != nil {
		t.Fatal(err)
	}
	if g := v.Groups[0]; g.Fullness != math.MaxFloat64 || g.Usage != 0 {
		t.Errorf("fullness %v, usage %v", g.Fullness, g.Usage)
	}
}

func TestTheCapacityScalerIsSet(t *testing.T) {
	d := newFleet()
	s := serve(t, d.options())
	for _, step := range []struct{ path, body, want string }{
		{"eu%2Fa", `{"capacity_scaler":0.5}`, "web eu/a 0.5"},
		{"eu/a", `{"capacity_scaler":0.1}`, "web eu/a 0.1"}, // the last segment goes on
		{"eu%2fa", `{"capacity_scaler":1.0}`, "web eu/a 1"},
		{"eu/a", `{"capacity_scaler":-0}`, "web eu/a 0"},
		{"eu/a", `{"capacity_scaler":null}`, "web eu/a 0.7"},
	} {
		d.calls = nil
		a := s.do("POST", "/api/v1/services/web/groups/"+step.path, step.body).want(t, 200)
		if len(d.calls) != 1 || d.calls[0] != step.want {
			t.Errorf("%s asked for %q, want %q", step.body, d.calls, step.want)
		}
		var g admin.GroupStatus
		if err := json.Unmarshal([]byte(a.body), &g); err != nil || g.Name != "eu/a" || g.CapacityScaler != d.status.Groups[0].Scaler {
			t.Errorf("answer %s", a.body)
		}
	}
}

func TestABadScalerIsRefusedAndChangesNothing(t *testing.T) {
	d := newFleet()
	s := serve(t, d.options())
	for _, body := range []string{
		"", "null", "{", "{}", "[]", "0.5", `{"capacity_scaler":0.05}`, `{"capacity_scaler":0.0999}`, `{"capacity_scaler":2}`,
		`{"capacity_scaler":1.0000001}`, `{"capacity_scaler":-0.5}`, `{"capacity_scaler":NaN}`, `{"capacity_scaler":1e999}`,
		`{"capacity_scaler":"0.5"}`, `{"capacity_scaler":[0.5]}`, `{"capacity_scaler":true}`, `{"admin":"DRAIN"}`,
		`{"capacity_scaler":0.5,"x":1}`, `{"capacity_scaler":0.5}{"capacity_scaler":1}`, "\x00\xff", strings.Repeat("[", 60_000),
		`{"capacity_scaler":` + strings.Repeat("9", 60_000) + "}",
	} {
		s.do("POST", "/api/v1/services/web/groups/eu/a", body).want(t, 400)
	}
	s.do("POST", "/api/v1/services/web/groups/eu/a", strings.Repeat(" ", 65<<10)).want(t, 413)
	for _, path := range []string{"web/groups/eu", "web/groups/EU%2FA", "web/groups/", "web/groups", "nope/groups/us", "web/groups/%zz"} {
		s.do("POST", "/api/v1/services/"+path, `{"capacity_scaler":0.5}`).want(t, 404)
	}
	a := s.do("POST", "/api/v1/services/web/groups/plain", `{"capacity_scaler":0.5}`).want(t, 409)
	if !strings.Contains(a.body, "balancing_mode") {
		t.Errorf("body %q", a.body)
	}
	d.refuse = errors.New("it is the only one")
	if a := s.do("POST", "/api/v1/services/web/groups/us", `{"capacity_scaler":0}`).want(t, 409); !strings.Contains(a.body, "the only one") {
		t.Errorf("body %q", a.body)
	}
	s.do("GET", "/api/v1/services/web/groups/us", "").want(t, 405)
	if len(d.calls) > 0 {
		t.Errorf("changed: %q", d.calls)
	}
}

func TestTheClientSetsScalers(t *testing.T) {
	d := newFleet()
	s := serve(t, d.options())
	c := client(t, s.addr, "")
	half := 0.5
	if g, err := c.SetScaler(t.Context(), "web", "eu/a", &half); err != nil || g.CapacityScaler != 0.5 {
		t.Errorf("%+v, %v", g, err)
	}
	if g, err := c.SetScaler(t.Context(), "web", "eu/a", nil); err != nil || g.CapacityScaler != 0.7 {
		t.Errorf("%+v, %v", g, err)
	}
	all, err := c.Services(t.Context())
	if err != nil || all[0].Groups[0].GroupCapacity == nil || all[0].Groups[0].Usage != 151.2 || all[0].Groups[2].GroupCapacity != nil {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestGroupsShowWhatTheyReport(t *testing.T) {
	d := newFleet()
	s := serve(t, d.options())
	if body := s.do("GET", "/api/v1/services/web", "").want(t, 200).body; strings.Contains(body, `"metrics"`) {
		t.Errorf("without reports: %s", body)
	}
	d.status.Groups[0].Metrics = []lb.MetricStatus{{Name: "orca.cpu_utilization", Utilization: 0.25}, {Name: "orca.named_metrics.gpu", Utilization: math.Inf(1)}}
	body := s.do("GET", "/api/v1/services/web", "").want(t, 200).body
	if want := `"metrics":[{"name":"orca.cpu_utilization","utilization":0.25},{"name":"orca.named_metrics.gpu","utilization":1.7`; !strings.Contains(body, want) {
		t.Errorf("no %s in %s", want, body)
	}
}

func TestEndpointsShowTheirLastLoadReport(t *testing.T) {
	d := newFleet()
	r := health.NoLoadReport()
	r.CPU, r.RPS, r.Named = 0.25, 0, []health.NamedMetric{{Name: "gpu", Value: math.Inf(1)}}
	d.status.Groups[2].Endpoints[0].Load, d.status.Groups[2].Endpoints[0].LoadAge = &r, 1500*time.Millisecond
	s := serve(t, d.options())
	body := s.do("GET", "/api/v1/services/web", "").want(t, 200).body
	if want := `"load":{"age":1.5,"cpu_utilization":0.25,"rps":0,"named_metrics":{"gpu":1.7976931348623157e+308}}`; strings.Count(body, `"load":`) != 1 || !strings.Contains(body, want) {
		t.Errorf("got %s\nwant %s, once", body, want)
	}
}
