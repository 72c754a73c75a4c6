package metrics

import "github.com/spillway-lb/spillway/proxy"

var loadReports = desc("load_reports_total",
	"Reports of their load that endpoints sent or were asked for: read (ok), refused for what they say (invalid), not had (failed).",
	"service", "result")

func (s sink) loadReports(service string, stats *proxy.Stats) {
	for i, result := range proxy.LoadReportResults {
		s.counter(loadReports, stats.LoadReports[i].Load(), service, result)
	}
}
