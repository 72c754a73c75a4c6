package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// loadWeightsOf returns nil where weights do not follow from load reports.
func loadWeightsOf(s *config.Service) *health.LoadWeighting {
	if s.LocalityLBPolicy != "WEIGHTED_ROUND_ROBIN" {
		return nil
	}
	w := health.DefaultLoadWeighting()
	if c := s.WeightedRoundRobin; c != nil {
		w.Blackout = time.Duration(c.BlackoutPeriod)
		w.Expiration = time.Duration(c.WeightExpirationPeriod)
		w.UpdatePeriod = time.Duration(c.WeightUpdatePeriod)
		w.ErrorPenalty = c.ErrorUtilizationPenalty
	}
	for _, m := range s.CustomMetrics {
		if !m.DryRun {
			w.Metrics = append(w.Metrics, m.Name)
		}
	}
	return &w
}

// metricsOf returns the names of the metrics that a service goes by, and whether it
// goes by reports at all.
func metricsOf(s *config.Service) (metrics []string, wanted bool) {
	for _, m := range s.CustomMetrics {
		metrics = append(metrics, m.Name)
	}
	for i := range s.Backends {
		for _, m := range s.Backends[i].CustomMetrics {
			metrics = append(metrics, m.Name)
		}
	}
	return metrics, s.TakesReports()
}

// loadReportsOf says what becomes of reports in responses: nil, where nobody wants
// to know how busy endpoints are. Those of a service that gets its reports in
// another way are not read, and clients do not see them either.
func loadReportsOf(s *config.Service, b *lb.Balancer) *proxy.LoadReports {
	metrics, wanted := metricsOf(s)
	switch {
	case !wanted || !s.IsHTTP():
		return nil
	case loadSourceOf(s, nil) != nil:
		return new(proxy.LoadReports)
	}
	return &proxy.LoadReports{Reader: health.NewLoadReader(metrics...), Note: b.Report}
}

// reportExpirationOf returns 0 for the default.
func reportExpirationOf(s *config.Service) time.Duration {
	if s.Utilization == nil {
		return 0
	}
	return time.Duration(s.Utilization.ReportExpiration)
}
