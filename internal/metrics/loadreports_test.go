package metrics_test

import (
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

func TestLoadReportsAreCountedByResult(t *testing.T) {
	s := web(t)
	s.Stats.LoadReports[proxy.LoadReportOK].Add(3)
	s.Stats.LoadReports[proxy.LoadReportInvalid].Add(2)
	s.Stats.LoadReports[proxy.LoadReportFailed].Add(1)
	expect(t, collectorOf(s), `
# HELP spillway_load_reports_total Reports of their load that endpoints sent or were asked for: read (ok), refused for what they say (invalid), not had (failed).
# TYPE spillway_load_reports_total counter
spillway_load_reports_total{result="failed",service="web"} 1
spillway_load_reports_total{result="invalid",service="web"} 2
spillway_load_reports_total{result="ok",service="web"} 3
`)
}
