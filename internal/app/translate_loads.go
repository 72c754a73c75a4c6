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

// loadReportsOf returns nil where nobody wants to know how busy endpoints are.
func loadReportsOf(s *config.Service, b *lb.Balancer) *proxy.LoadReports {
	wanted := s.LocalityLBPolicy == "WEIGHTED_ROUND_ROBIN"
	var metrics []string
	for _, m := range s.CustomMetrics {
		metrics = append(metrics, m.Name)
	}
	for i := range s.Backends {
		g := &s.Backends[i]
		wanted = wanted || g.BalancingMode == "UTILIZATION" || g.BalancingMode == "CUSTOM_METRICS"
		for _, m := range g.CustomMetrics {
			metrics = append(metrics, m.Name)
		}
	}
	if !wanted || !s.IsHTTP() {
		return nil
	}
	return &proxy.LoadReports{Reader: health.NewLoadReader(metrics...), Note: b.Report}
}
