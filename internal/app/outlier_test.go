package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// service is what the admin API says of a service.
func (p *proxy) service(name string) (v admin.ServiceStatus) {
	p.t.Helper()
	_, body := p.get("admin", "/api/v1/services/"+name)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	return v
}

// status is what the admin API says of an endpoint.
func (p *proxy) status(service, id string) (found admin.EndpointStatus) {
	p.t.Helper()
	for _, g := range p.service(service).Groups {
		for _, e := range g.Endpoints {
			if e.ID == id {
				found = e
			}
		}
	}
	return found
}

// Of three endpoints one answers 503. Three such answers, and it gets nobody any
// more, until its time is over; then it gets its share again.
func TestEndpointThatAnswers503IsEjectedAndComesBack(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	var broken atomic.Bool
	var asked atomic.Int64
	broken.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "a")
	}))
	defer s.Close()
	a := s.Listener.Addr().String()
	file := oneListener + list(a, named(t, "b"), named(t, "c")) + "[service.outlier_detection]\n"
	p := run(t, file+"base_ejection_time = \"1h\"\nmax_ejection_time = \"1h\"\n")

	failed := 0
	for range 60 {
		if code, _ := p.get("web", "/"); code == http.StatusServiceUnavailable {
			failed++
		}
	}
	if failed != 3 || asked.Load() != 3 {
		t.Errorf("%d of 60 requests failed, and it was asked %d times; want 3", failed, asked.Load())
	}
	e := p.status("web", a)
	if !e.Ejected || e.Dropped != "EJECTED" || e.EjectedFor != "CONSECUTIVE_GATEWAY_FAILURE" || e.EjectedUntil == nil || e.Ejections != 1 || e.GatewayFailures != 3 || e.Health != "HEALTHY" {
		t.Errorf("%+v", e)
	}
	if _, body := p.get("admin", "/metrics"); !strings.Contains(body, `spillway_ejections_total{endpoint="`+a+`",group="",reason="CONSECUTIVE_GATEWAY_FAILURE",service="web"} 1`) {
		t.Error("no metric counts the ejection")
	}
	p.reload(file + "base_ejection_time = \"1h\"\nmax_ejection_time = \"2h\"\n")
	if !p.status("web", a).Ejected {
		t.Error("a reload has ended the ejection")
	}
	p.reload(strings.Replace(file, "[service.outlier_detection]\n", "", 1))
	if p.status("web", a).Ejected {
		t.Error("it is ejected where there is no outlier detection")
	}

	p.reload(file + "base_ejection_time = \"300ms\"\ninterval = \"100ms\"\n")
	ejections := func() int { return strings.Count(p.log.String(), `msg="endpoint ejected"`) }
	before := ejections()
	for range 9 {
		p.get("web", "/")
	}
	if ejections() == before { // by now its time may be over
		t.Fatal("it is not ejected a second time")
	}
	broken.Store(false)
	testkit.Eventually(t, func() bool { return !p.status("web", a).Ejected })
	if got := p.share("a", 60); got < 0.3 || got > 0.37 {
		t.Errorf("when its time is over its share is %.2f", got)
	}
}

// A dead endpoint whose port nobody listens on: without health checks its turns cost a
// retry each, until it is ejected.
func TestEndpointThatRefusesIsEjected(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	dead := testkit.FreeAddr(t)
	p := run(t, oneListener+list(dead, named(t, "b"))+"[service.outlier_detection]\n")
	for range 50 {
		if code, body := p.get("web", "/"); code != 200 || body != "b" {
			t.Fatalf("%d %q", code, body)
		}
	}
	e := p.status("web", dead)
	if !e.Ejected || e.ConnectFailures != 3 || e.Requests != 3 {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(p.log.String(), `msg="endpoint ejected" service=web endpoint=`+dead+` reason=CONSECUTIVE_GATEWAY_FAILURE last_failure=connection_refused`) {
		t.Errorf("no line says so:\n%s", p.log)
	}
}
