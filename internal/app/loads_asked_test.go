package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/orca"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// pages is an endpoint with pages that say how busy it is, and counts who asks.
type pages struct {
	*httptest.Server
	load, metrics atomic.Int64
}

func newPages(t *testing.T) *pages {
	p := new(pages)
	mux := http.NewServeMux()
	mux.HandleFunc("/load", func(w http.ResponseWriter, _ *http.Request) {
		p.load.Add(1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"cpu_utilization":0.5}`)
	})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		p.metrics.Add(1)
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "cpu_utilization 0.5\n")
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *pages) addr() string { return p.Listener.Addr().String() }

// askingFor is a TCP service that goes by load reports, of these endpoints.
func askingFor(utilization string, addrs ...string) string {
	return fmt.Sprintf(`
[admin]
listen = "127.0.0.1:0"
[[group]]
name = "g"
endpoints = ["%s"]
[[listener]]
name = "tcp"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "s"
[[service]]
name = "s"
utilization = { %s }
[[service.backend]]
group = "g"
balancing_mode = "UTILIZATION"
`, strings.Join(addrs, `", "`), utilization)
}

// reports is how many the metrics count.
func (p *proxy) reports(result string) (n int) {
	p.t.Helper()
	_, body := p.get("admin", "/metrics")
	_, line, _ := strings.Cut(body, fmt.Sprintf(`spillway_load_reports_total{result=%q,service="s"} `, result))
	fmt.Sscan(line, &n)
	return n
}

func TestEndpointsArePolledForTheirLoad(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	a, b := newPages(t), newPages(t)
	const load = `source = "POLL", poll_path = "/load", poll_interval = "100ms"`
	p := run(t, askingFor(load, a.addr(), b.addr()))
	testkit.Eventually(t, func() bool { return a.load.Load() > 0 && b.load.Load() > 0 && p.reports("ok") > 1 })

	// Another page, and one endpoint less.
	p.reload(askingFor(strings.Replace(load, "/load", "/metrics", 1), a.addr()))
	testkit.Eventually(t, func() bool { return a.metrics.Load() > 0 })
	of := func() int64 { return b.load.Load() + b.metrics.Load() + a.load.Load() }
	before, seen := of(), a.metrics.Load()
	testkit.Eventually(t, func() bool { return a.metrics.Load() > seen+3 })
	if now := of(); now > before+2 { // that were under way
		t.Errorf("%d polls of a page and an endpoint that are gone", now-before)
	}
	if _, status := p.get("admin", "/api/v1/services/s"); !strings.Contains(status, "UTILIZATION") {
		t.Error(status)
	}

	// A page that is none: told in the log once, and when it is one again.
	mark := len(p.log.String())
	p.reload(askingFor(strings.Replace(load, "/load", "/none", 1), a.addr()))
	said := func() string { return p.log.String()[mark:] }
	testkit.Eventually(t, func() bool {
		return p.reports("failed") > 2 && strings.Contains(said(), "status 404")
	})
	var told []string // a machine that is late may have other reasons between
	for line := range strings.Lines(said()) {
		if _, msg, _ := strings.Cut(line, " msg="); strings.Contains(msg, "load report") {
			told = append(told, msg)
		}
	}
	if once := slices.Compact(slices.Clone(told)); len(once) != len(told) {
		t.Errorf("told more than once: %q", told)
	}
}

func TestEndpointsReportOutOfBand(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	load := orca.NewServerMetricsRecorder()
	load.SetCPUUtilization(0.5)
	s := grpc.NewServer()
	if err := orca.Register(s, orca.ServiceOptions{ServerMetricsProvider: load}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	defer func() { s.Stop(); <-done }()
	p := run(t, askingFor("enable_oob_load_report = true", l.Addr().String()))
	testkit.Eventually(t, func() bool { return p.reports("ok") == 1 })

	// A service that needs reports no more keeps no stream.
	text := askingFor("", l.Addr().String())
	text = strings.Replace(text, "utilization = {  }\n", "", 1)
	p.reload(strings.Replace(text, `balancing_mode = "UTILIZATION"`, "", 1))
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.GracefulStop() }()
	testkit.Eventually(t, func() bool {
		select {
		case <-stopped:
			return true
		default:
			return false
		}
	})
}
