package poll_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/health/poll"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }

const (
	text = "text/plain; version=0.0.4; charset=utf-8"
	gpu  = "orca.named_metrics.gpu.mem-used"
)

func TestPagesAreReadByTheirType(t *testing.T) {
	for _, row := range []struct{ name, kind, body, want string }{
		{"json", "application/json", `{"cpuUtilization":0.5,"named_metrics":{"gpu.mem-used":0.25}}`, "cpu 0.5 gpu 0.25"},
		{"json with a charset", "Application/JSON; charset=utf-8", `{"cpu_utilization":0.5}`, "cpu 0.5"},
		{"json that reports nothing", "application/json", `{}`, ""},
		{"prometheus", text, "# HELP cpu_utilization Of all cores.\n# TYPE cpu_utilization gauge\ncpu_utilization 0.5\n" +
			"# TYPE other counter\nother{a=\"b\"} 1\nother{a=\"c\"} 2\n# TYPE named_metrics_gpu_mem_used gauge\nnamed_metrics_gpu_mem_used{card=\"0\"} 0.25 1700000000000\n",
			"cpu 0.5 gpu 0.25"},
		{"prometheus by the bare name", "text/plain", "gpu_mem_used 0.25\n", "gpu 0.25"},
		{"prometheus, all of them", text, "cpu_utilization 1\nmem_utilization 2\napplication_utilization 3\nrps_fractional 4e3\neps 0\n", "cpu 1 mem 2 app 3 rps 4000 eps 0"},
		{"prometheus with NaN elsewhere", text, "cpu_utilization 1\nother NaN\n", "cpu 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := poll.Parse(health.Page{ContentType: row.kind, Body: []byte(row.body)}, gpu, "orca.cpu_utilization")
			if got := say(r); err != nil || got != row.want {
				t.Errorf("got %q, %v, want %q", got, err, row.want)
			}
		})
	}
}

// say names what is reported.
func say(r health.LoadReport) string {
	var s []string
	for _, m := range []struct {
		name  string
		value float64
	}{{"cpu", r.CPU}, {"mem", r.Memory}, {"app", r.Application}, {"rps", r.RPS}, {"eps", r.EPS}} {
		if m.value >= 0 {
			s = append(s, fmt.Sprint(m.name, " ", m.value))
		}
	}
	for _, m := range r.Named {
		s = append(s, fmt.Sprint("gpu ", m.Value))
	}
	return strings.Join(s, " ")
}

func TestBadPagesAreBadReports(t *testing.T) {
	for _, row := range []struct{ name, kind, body, want string }{
		{"no type", "", `{}`, `Content-Type is ""`},
		{"another type", "text/html", "<p>0.5</p>", "text/html"},
		{"OpenMetrics", "application/openmetrics-text; version=1.0.0", "cpu_utilization 1\n# EOF\n", "openmetrics"},
		{"json that is none", "application/json", "cpu_utilization 1\n", "JSON"},
		{"json with another metric", "application/json", `{"load":1}`, "unknown"},
		{"json, negative", "application/json", `{"eps":-1}`, "number"},
		{"prometheus, cut", text, "cpu_utilization", "text format"},
		{"prometheus, empty", text, "", "no metric"},
		{"prometheus, none that is wanted", text, "up 1\n", "no metric"},
		{"prometheus, negative", text, "cpu_utilization -1\n", "-1"},
		{"prometheus, NaN", text, "cpu_utilization NaN\n", "NaN"},
		{"prometheus, infinite", text, "cpu_utilization +Inf\n", "Inf"},
		{"prometheus, several", text, "cpu_utilization{cpu=\"0\"} 0.1\ncpu_utilization{cpu=\"1\"} 0.9\n", "2 values"},
		{"prometheus, a counter", text, "# TYPE eps counter\neps 100\n", "counter"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := poll.Parse(health.Page{ContentType: row.kind, Body: []byte(row.body)}, gpu)
			if !errors.Is(err, health.ErrLoadReport) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want one with %q", err, row.want)
			}
			if say(r) != "" {
				t.Errorf("it reports %q", say(r))
			}
		})
	}
}

// watch runs a watch until the test has seen enough.
func watch(t *testing.T, o poll.Options, addr string, report func(*health.LoadReport, error) (enough bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	done := false
	err := poll.Watch(ctx, o, addr, []string{gpu}, func(r *health.LoadReport, err error) {
		if (r == nil) == (err == nil) {
			t.Errorf("a report %v, and an error %v", r, err)
		}
		if done = report(r, err); done {
			cancel()
		}
	})
	if !done || !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

func TestAPollThatFailsIsFollowedByOthers(t *testing.T) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/load" || r.Header.Get("User-Agent") != "spillway" {
			t.Errorf("asked for %s by %q", r.URL, r.UserAgent())
		}
		switch w.Header().Set("Content-Type", "application/json"); n.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			io.WriteString(w, `{"cpu`)
		case 3:
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{}`)
		default:
			io.WriteString(w, `{"cpu_utilization":0.5}`)
		}
	}))
	defer s.Close()
	var errs []error
	watch(t, poll.Options{Interval: 200 * time.Millisecond, Path: "/load"}, s.Listener.Addr().String(), func(r *health.LoadReport, err error) bool {
		if err != nil && !strings.Contains(err.Error(), "timeout") { // a busy machine
			errs = append(errs, err)
		}
		return r != nil && r.CPU == 0.5
	})
	want := []string{"status 503", "JSON", "connection closed"}
	for _, e := range errs {
		i := slices.IndexFunc(want, func(w string) bool { return strings.Contains(e.Error(), w) })
		if i < 0 || errors.Is(e, health.ErrLoadReport) != (want[i] == "JSON") {
			t.Fatalf("failed with %v, want %q in this order", errs, want)
		}
		want = want[i+1:] // those before it ran into their time
	}
}

func TestAPollIsBounded(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for line := []byte(strings.Repeat("#", 4095) + "\n"); ; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	watch(t, poll.Options{}, endless.Listener.Addr().String(), func(_ *health.LoadReport, err error) bool {
		if !strings.Contains(err.Error(), "larger than") && !strings.Contains(err.Error(), "timeout") {
			t.Errorf("error %v", err)
		}
		return true
	})
	watch(t, poll.Options{Timeout: 20 * time.Millisecond}, silent.Addr().String(), func(_ *health.LoadReport, err error) bool {
		if !strings.Contains(err.Error(), "timeout") {
			t.Errorf("error %v", err)
		}
		return true
	})
}

func TestPollsMayGoOverTLSToAnotherPort(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", text)
		io.WriteString(w, "cpu_utilization 0.5\n")
	}))
	defer s.Close()
	port := s.Listener.Addr().(*net.TCPAddr).Port
	config := s.Client().Transport.(*http.Transport).TLSClientConfig
	o := poll.Options{Interval: 5 * time.Second, Port: port, TLS: &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}}
	watch(t, o, "127.0.0.1:1", func(r *health.LoadReport, err error) bool {
		if err != nil || r.CPU != 0.5 {
			t.Errorf("%v, %v", r, err)
		}
		return true
	})
}

func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	for name, o := range map[string]poll.Options{
		"interval": {Interval: time.Nanosecond}, "timeout": {Interval: time.Second, Timeout: time.Minute},
		"port": {Port: -1}, "path": {Path: "load"}, "line": {Path: "/\r\n"},
	} {
		if err := poll.Watch(context.Background(), o, "127.0.0.1:1", nil, nil); err == nil || o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (poll.Options{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
}

// FuzzParse holds what is read of any page to what a report may have.
func FuzzParse(f *testing.F) {
	f.Add(text, "cpu_utilization 0.5\n")
	f.Add(text, "# TYPE gpu_mem_used gauge\ngpu_mem_used{a=\"b\"} 1 2\neps NaN\n")
	f.Add("application/json", `{"eps":1}`)
	f.Add("text/plain;;", "eps 1")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r, err := poll.Parse(health.Page{ContentType: kind, Body: []byte(body)}, gpu)
		if err != nil && (!errors.Is(err, health.ErrLoadReport) || say(r) != "") {
			t.Errorf("%v, and it reports %q", err, say(r))
		}
		for _, v := range []float64{r.CPU, r.Memory, r.Application, r.RPS, r.EPS} {
			if v != -1 && !(v >= 0 && v <= math.MaxFloat64) {
				t.Errorf("it reports %v", v)
			}
		}
		for _, m := range r.Named {
			if !(m.Value >= 0) || m.Name != "gpu.mem-used" {
				t.Errorf("it reports %v", m)
			}
		}
	})
}
