package config

import "math"

// WeightedRoundRobin says how weights follow from load reports where
// locality_lb_policy is WEIGHTED_ROUND_ROBIN: requests per second ÷ (utilization +
// errors ÷ requests × error_utilization_penalty). Requests and errors are those
// that the endpoint reports, or else the requests that it gets from this proxy.
// Utilization is the highest of the service's custom_metrics, else
// application_utilization, else cpu_utilization. While fewer than two endpoints
// have a weight, those of the file count; who has none gets the mean of the others.
type WeightedRoundRobin struct {
	// How long an endpoint must have reported for its reports to count, from 0s.
	// Default: `10s`.
	BlackoutPeriod Duration `toml:"blackout_period"`
	// How long the last report counts when no more come, above 0. Default: `180s`.
	WeightExpirationPeriod Duration `toml:"weight_expiration_period"`
	// How often new weights are taken over, at least 1s. Default: `1s`.
	WeightUpdatePeriod Duration `toml:"weight_update_period"`
	// How much utilization it counts for that all requests fail, from 0.
	// Default: `1`.
	ErrorUtilizationPenalty float64 `toml:"error_utilization_penalty"`
}

func (w *WeightedRoundRobin) setDefaults() {
	*w = WeightedRoundRobin{
		BlackoutPeriod:          10 * second,
		WeightExpirationPeriod:  180 * second,
		WeightUpdatePeriod:      second,
		ErrorUtilizationPenalty: 1,
	}
}

// checkWeightedRoundRobin checks what the policy needs (spec.md §4.1 and §4.9).
func (l *loader) checkWeightedRoundRobin(path string, s *Service) {
	policy, section := path+".locality_lb_policy", path+".weighted_round_robin"
	if l.bad[policy] {
		return
	}
	if s.LocalityLBPolicy != "WEIGHTED_ROUND_ROBIN" {
		l.onlyWith(section, s.WeightedRoundRobin != nil, `locality_lb_policy = "WEIGHTED_ROUND_ROBIN"`)
		return
	}
	if isNetwork(s.Protocol) && !l.bad[path+".protocol"] {
		l.errorf(policy, "WEIGHTED_ROUND_ROBIN needs a service that speaks HTTP, not %s", s.Protocol)
	}
	w := s.WeightedRoundRobin
	if w == nil {
		return
	}
	if w.BlackoutPeriod < 0 {
		l.errorf(section+".blackout_period", "must not be negative")
	}
	l.checkPositive(section+".weight_expiration_period", w.WeightExpirationPeriod)
	if w.WeightUpdatePeriod < second && !l.bad[section+".weight_update_period"] {
		l.errorf(section+".weight_update_period", "must be at least 1s")
	}
	if p := w.ErrorUtilizationPenalty; !(p >= 0) || math.IsInf(p, 1) {
		l.errorf(section+".error_utilization_penalty", "%v is not a number from 0", p)
	}
}
