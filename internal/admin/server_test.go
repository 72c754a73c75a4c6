package admin_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/lb"
)

func TestLivezAndReadyzNeedNoToken(t *testing.T) {
	s := serve(t, admin.Options{Token: "secret"})
	s.do("GET", "/livez", "").want(t, 200)
	s.do("GET", "/readyz", "").want(t, 200)
	s.do("HEAD", "/livez", "").want(t, 200)
}

func TestReadyzSaysWhyNot(t *testing.T) {
	s := serve(t, admin.Options{Ready: func() (bool, string) { return false, "draining" }})
	if a := s.do("GET", "/readyz", "").want(t, 503); !strings.Contains(a.body, "draining") {
		t.Errorf("body %q", a.body)
	}
	s.do("GET", "/livez", "").want(t, 200)
}

// The keys are a contract, spelled out here so that a renamed field fails.
func TestServicesAreShownAsTheContractSays(t *testing.T) {
	s := serve(t, admin.Options{})
	var all struct{ Services []map[string]any }
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/services", "").want(t, 200).body), &all); err != nil {
		t.Fatal(err)
	}
	var one map[string]any
	if err := json.Unmarshal([]byte(s.do("GET", "/api/v1/services/web", "").want(t, 200).body), &one); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "web", "protocol": "HTTP", "policy": "MAGLEV", "affinity": "HTTP_COOKIE", "version": 0.0, "active_pool": "PRIMARY",
		"panic": false, "panics": 0.0,
		"groups": []any{map[string]any{
			"name": "eu-a", "region": "eu", "zone": "eu-a", "failover": false, "share": 1.0, "share_actual": 0.0,
			"endpoints": []any{
				map[string]any{
					"id": "big", "address": "10.0.0.2:8080", "health": "HEALTHY", "reason": "", "admin": "READY",
					"dropped": "", "ejected": false, "weight": 3.0, "active": 0.0, "requests": 0.0, "failures": 0.0, "neutral": 0.0,
					"share_expected": 0.75, "share_actual": 0.0,
					"traffic": "", "connect_failures": 0.0, "gateway_failures": 0.0, "warm": 1.0, "ejections": 0.0,
				},
				map[string]any{
					"id": "unix:/run/a.sock", "address": "unix:/run/a.sock", "health": "HEALTHY", "reason": "", "admin": "READY",
					"dropped": "", "ejected": false, "weight": 1.0, "active": 0.0, "requests": 0.0, "failures": 0.0, "neutral": 0.0,
					"share_expected": 0.25, "share_actual": 0.0,
					"traffic": "", "connect_failures": 0.0, "gateway_failures": 0.0, "warm": 1.0, "ejections": 0.0,
				},
			},
		}},
	}
	if !reflect.DeepEqual(one, want) {
		t.Errorf("got  %v\nwant %v", one, want)
	}
	if len(all.Services) != 1 || !reflect.DeepEqual(all.Services[0], want) {
		t.Errorf("the list has %v", all.Services)
	}
}

func TestNoServicesIsAnEmptyList(t *testing.T) {
	s := serve(t, admin.Options{Services: func() []admin.Service { return nil }})
	if a := s.do("GET", "/api/v1/services", "").want(t, 200); a.body != "{\"services\":[]}\n" {
		t.Errorf("body %q", a.body)
	}
}

func TestDrainTakesEffectBeforeTheAnswer(t *testing.T) {
	s := serve(t, admin.Options{})
	for _, step := range []struct {
		path, word string
		want       [2]float64 // shares of big and of the socket
	}{
		{"big", "DRAIN", [2]float64{0, 1}},
		{"big", "ready", [2]float64{0.75, 0.25}},
		{"unix:%2Frun%2Fa.sock", "DOWN", [2]float64{1, 0}},
		{"unix:/run/a.sock", "READY", [2]float64{0.75, 0.25}},
	} {
		a := s.do("POST", "/api/v1/services/web/endpoints/"+step.path, `{"admin":"`+step.word+`"}`).want(t, 200)
		var e admin.EndpointStatus
		if err := json.Unmarshal([]byte(a.body), &e); err != nil {
			t.Fatal(err)
		}
		if e.Admin != strings.ToUpper(step.word) {
			t.Errorf("%s: the answer says %s", step.word, e.Admin)
		}
		got := s.web.Status().Groups[0].Endpoints
		if got[0].ShareExpected != step.want[0] || got[1].ShareExpected != step.want[1] {
			t.Errorf("after %s of %s the shares are %v, %v; want %v", step.word, step.path, got[0].ShareExpected, got[1].ShareExpected, step.want)
		}
	}
}

func TestWhatIsNotThereIs404(t *testing.T) {
	s := serve(t, admin.Options{})
	for _, path := range []string{
		"/", "/api", "/api/v1/services/", "/api/v1/services/nope", "/api/v1/services/web/", "/api/v1/services/web/endpoints",
		"/api/v1/services/web/endpoints/", "/api/v1/services/web/others/x", "/api/v1/services/%zz", "/livez/", "/debug/pprof/",
		"/api/v1/services/web/../../../../livez", "//livez",
	} {
		s.do("GET", path, "").want(t, 404)
	}
	s.do("POST", "/api/v1/services/web/endpoints/nope", `{"admin":"DRAIN"}`).want(t, 404)
	s.do("POST", "/api/v1/services/nope/endpoints/big", `{"admin":"DRAIN"}`).want(t, 404)
}

func TestAWrongMethodIs405AndNamesTheRightOnes(t *testing.T) {
	s := serve(t, admin.Options{})
	for _, c := range []struct{ method, path, allow string }{
		{"POST", "/livez", "GET, HEAD"},
		{"DELETE", "/api/v1/services/web", "GET, HEAD"},
		{"GET", "/api/v1/services/web/endpoints/big", "POST"},
		{"GET", "/api/v1/reload", "POST"},
		{"PUT", "/api/v1/reload", "POST"},
	} {
		a := s.do(c.method, c.path, "").want(t, 405)
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
}

func TestABadBodyIs400AndChangesNothing(t *testing.T) {
	s := serve(t, admin.Options{})
	for _, body := range []string{
		"", "null", "{", `{}`, `[]`, `"DRAIN"`, `{"admin":"OFF"}`, `{"admin":1}`, `{"admin":"DRAIN","x":1}`,
		`{"admin":"DRAIN"}{"admin":"DOWN"}`, `{"capacity_scaler":1}`, "\x00\xff", strings.Repeat("[", 60_000),
	} {
		s.do("POST", "/api/v1/services/web/endpoints/big", body).want(t, 400)
	}
	if got := s.web.Status().Groups[0].Endpoints[0].Admin; got != lb.Ready {
		t.Errorf("the endpoint is %v", got)
	}
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	s := serve(t, admin.Options{})
	s.do("POST", "/api/v1/services/web/endpoints/big", strings.Repeat(" ", 65<<10)).want(t, 413)
	s.do("GET", "/livez", "", "X-Large: "+strings.Repeat("x", 16<<10)).want(t, 431)
}

func TestWhatIsNotHTTPIs400(t *testing.T) {
	s := serve(t, admin.Options{})
	s.raw("GET", "\x16\x03\x01 hello\r\n\r\n").want(t, 400)
	s.raw("GET", "GET /livez HTTP/1.1\r\n\r\n").want(t, 400) // no Host
}

func TestTheTokenIsWanted(t *testing.T) {
	s := serve(t, admin.Options{Token: "secret", Pprof: true})
	for _, path := range []string{"/api/v1/services", "/metrics", "/debug/pprof/", "/nowhere", "/api/v1/reload"} {
		for _, header := range []string{"X-None: 1", "Authorization: Bearer wrong", "Authorization: Bearer", "Authorization: Basic secret", "Authorization: secret", "Authorization: Bearer secrets"} {
			a := s.do("GET", path, "", header).want(t, 401)
			if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
				t.Errorf("WWW-Authenticate %q", got)
			}
		}
	}
	s.do("GET", "/api/v1/services", "", "Authorization: Bearer secret").want(t, 200)
	s.do("GET", "/api/v1/services", "", "Authorization: bearer  secret ").want(t, 200) // schemes have no case (RFC 9110 §11.1)
	s.do("GET", "/nowhere", "", "Authorization: Bearer secret").want(t, 404)
}

func TestOtherSitesPagesCannotChangeAnything(t *testing.T) {
	s := serve(t, admin.Options{Reload: func() error { return nil }})
	const path, body = "/api/v1/services/web/endpoints/big", `{"admin":"DOWN"}`
	s.do("POST", path, body, "Origin: https://evil.example").want(t, 403)
	s.do("POST", path, body, "Origin: null").want(t, 403)
	s.do("POST", "/api/v1/reload", "", "Origin: http://127.0.0.1:1").want(t, 403)
	s.raw("POST", "POST /api/v1/reload HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n").want(t, 403)
	if got := s.web.Status().Groups[0].Endpoints[0].Admin; got != lb.Ready {
		t.Errorf("the endpoint is %v", got)
	}
	s.do("POST", path, body, "Origin: http://"+s.addr).want(t, 200)
}

func TestReloadReportsWhatIsWrong(t *testing.T) {
	var err error
	s := serve(t, admin.Options{Reload: func() error { return err }})
	if a := s.do("POST", "/api/v1/reload", "").want(t, 200); a.body != "{\"reloaded\":true}\n" {
		t.Errorf("body %q", a.body)
	}
	err = errors.New("a.toml:3: listen: is required\na.toml:9: timeout: is no duration")
	a := s.do("POST", "/api/v1/reload", "").want(t, 422)
	var p admin.Problem
	if json.Unmarshal([]byte(a.body), &p); p.Detail != err.Error() {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestWhatTheProxyCannotDoIs501(t *testing.T) {
	s := serve(t, admin.Options{})
	s.do("POST", "/api/v1/reload", "").want(t, 501)
	s.do("GET", "/metrics", "").want(t, 501)
	s.do("POST", "/api/v1/services/web/groups/eu-a", `{"capacity_scaler":0.5}`).want(t, 501)
}

func TestMetricsAreServed(t *testing.T) {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "spillway_test_total", Help: "A test."})
	c.Add(3)
	r.MustRegister(c)
	s := serve(t, admin.Options{Gatherer: r})
	a := s.do("GET", "/metrics", "").want(t, 200)
	if !strings.Contains(a.body, "spillway_test_total 3\n") {
		t.Errorf("body %q", a.body)
	}
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", kind)
	}
}

func TestAFailedScrapeIsAProblem(t *testing.T) {
	failing := prometheus.NewRegistry()
	d := prometheus.NewDesc("spillway_broken", "Broken.", nil, nil)
	failing.MustRegister(broken{d})
	s := serve(t, admin.Options{Gatherer: failing})
	s.do("GET", "/metrics", "").want(t, 500)
}

type broken struct{ d *prometheus.Desc }

func (b broken) Describe(out chan<- *prometheus.Desc) { out <- b.d }
func (b broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(b.d, errors.New("broken"))
}

func TestPprofIsServedWhenEnabled(t *testing.T) {
	s := serve(t, admin.Options{Pprof: true})
	if a := s.do("GET", "/debug/pprof/", "").want(t, 200); !strings.Contains(a.body, "goroutine") {
		t.Errorf("body %q", a.body)
	}
	if a := s.do("GET", "/debug/pprof/goroutine?debug=1", "").want(t, 200); !strings.Contains(a.body, "goroutine profile:") {
		t.Errorf("body %.100q", a.body)
	}
	s.do("GET", "/debug/pprof/cmdline", "").want(t, 200)
	s.do("GET", "/debug/pprof/nothing", "").want(t, 404)
}

func TestAPanicIsA500AndTheServerGoesOn(t *testing.T) {
	s := serve(t, admin.Options{Ready: func() (bool, string) { panic("boom") }})
	s.do("GET", "/readyz", "").want(t, 500)
	s.do("GET", "/livez", "").want(t, 200)
}

func TestAnswersAreNotToBeCached(t *testing.T) {
	s := serve(t, admin.Options{})
	for _, path := range []string{"/livez", "/api/v1/services", "/nowhere"} {
		if got := s.do("GET", path, "").header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}
