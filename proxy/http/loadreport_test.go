package http_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// A notebook has the reports that a service has got.
type notebook struct {
	mu    sync.Mutex
	notes []note
}

type note struct {
	id       string
	cpu, gpu float64
}

func (n *notebook) take(id string, r *health.LoadReport) {
	gpu, _ := r.Value("orca.named_metrics.gpu")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, note{id, r.CPU, gpu})
}

func (n *notebook) all() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]note{}, n.notes...)
}

// noting makes the service take reports, into n.
func noting(n *notebook) option {
	return withService(func(s *proxy.Service) {
		s.LoadReports = &proxy.LoadReports{Reader: health.NewLoadReader("orca.named_metrics.gpu"), Note: n.take}
	})
}

const (
	reported  = "X-Endpoint-Load-Metrics: cpu_utilization=0.5,named_metrics.gpu=0.25\r\n"
	reporting = "HTTP/1.1 200 OK\r\nX-A: 1\r\n" + reported + "Content-Length: 2\r\nX-B: 2\r\n\r\nok"
	discreet  = "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\nX-B: 2\r\n\r\nok"
)

func loadReportsAreTakenOutOfResponses(t *testing.T, d driver) {
	var n notebook
	e := answer(t, reporting)
	b := d.start(t, []string{e.addr}, noting(&n))
	c := b.dial()
	for range 2 {
		c.send(get("")).expect(discreet)
	}
	want := note{b.addrs[0], 0.5, 0.25}
	if got := n.all(); len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("noted %+v, want %+v twice", got, want)
	}
	if ok := b.service.Stats.LoadReports[proxy.LoadReportOK].Load(); ok != 2 {
		t.Errorf("counted %d reports, want 2", ok)
	}
}

// An endpoint that is too busy to answer says so, whoever answers in the end.
func loadReportsOfFailedTriesCount(t *testing.T, d driver) {
	var n notebook
	busy := "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n" + reported + "\r\nHTTP/1.1 503 Busy\r\nendpoint-load-metrics: TEXT cpu_utilization=1\r\nContent-Length: 0\r\n\r\n"
	b := d.start(t, []string{answer(t, busy).addr}, noting(&n))
	b.dial().send(get("")).expect("HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	if got := n.all(); len(got) != 1 || got[0] != (note{b.addrs[0], 1, 0}) {
		t.Errorf("noted %+v", got)
	}
}

func badLoadReportsAreCountedAndRemoved(t *testing.T, d driver) {
	for name, fields := range map[string]string{
		"not a number":     "endpoint-load-metrics: cpu_utilization=much\r\n",
		"two forms":        "Endpoint-Load-Metrics-Json: {}\r\nX-Endpoint-Load-Metrics-BIN:\r\n",
		"the same twice":   "endpoint-load-metrics: eps=1\r\nX-B: 2\r\nendpoint-load-metrics: eps=1\r\n",
		"larger than most": "endpoint-load-metrics: named_metrics." + strings.Repeat("x", health.MaxLoadReport) + "=1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var n notebook
			e := answer(t, "HTTP/1.1 200 OK\r\n"+fields+"Content-Length: 2\r\n\r\nok")
			b := d.start(t, []string{e.addr}, noting(&n))
			resp, body := b.dial().send(get("")).response("GET")
			for name := range resp.Header {
				if strings.Contains(name, "Load-Metrics") {
					t.Errorf("the client got %s", name)
				}
			}
			if body != "ok" || len(n.all()) != 0 || b.service.Stats.LoadReports[proxy.LoadReportInvalid].Load() != 1 {
				t.Errorf("body %q, noted %v, counted %d", body, n.all(), b.service.Stats.LoadReports[proxy.LoadReportInvalid].Load())
			}
			testkit.Eventually(t, func() bool { return strings.Contains(b.log.String(), "a load report is refused") })
		})
	}
}

// Who takes reports in another way does not want clients to see them either; to
// who takes none at all they are fields like any other.
func loadReportsThatNobodyReadsAreRemovedOrPass(t *testing.T, d driver) {
	e := answer(t, reporting)
	elsewhere := withService(func(s *proxy.Service) { s.LoadReports = new(proxy.LoadReports) })
	d.start(t, []string{e.addr}, elsewhere).dial().send(get("")).expect(discreet)
	d.start(t, []string{e.addr}).dial().send(get("")).expect(reporting)
}
