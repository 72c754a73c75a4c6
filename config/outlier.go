package config

import "time"

// OutlierDetection takes traffic itself for evidence: an endpoint that fails more than
// others do gets nobody new for a while, it is ejected, and counts as ill wherever
// health counts. A failure is a response of 5xx, no response in time, or a connection
// that was not made or broke; a client that leaves is none. What is ejected is back when
// its time is over or a health check that began later has passed; the last endpoint
// that could serve is never ejected, and when all others are gone or ill the ejected
// come back. The enforcing_ keys are percentages: in so many of the cases that a rule
// finds it ejects; with 0 it only logs them. Defaults are those of the Google Cloud API,
// where it has one, else Envoy's.
type OutlierDetection struct {
	// Failures in a row, 1 to 10000. Default: `5`.
	ConsecutiveErrors int `toml:"consecutive_errors"`
	// 0 to 100. Default: `0`.
	EnforcingConsecutiveErrors int `toml:"enforcing_consecutive_errors"`
	// 502, 503, 504, no response in time, and connections that were not made, in a
	// row, 1 to 10000. Default: `3`.
	ConsecutiveGatewayFailure int `toml:"consecutive_gateway_failure"`
	// 0 to 100. Default: `100`.
	EnforcingConsecutiveGatewayFailure int `toml:"enforcing_consecutive_gateway_failure"`
	// How often endpoints are compared by what came of their requests since the last
	// time, above 0. Each time, the next ejection of those that were not ejected
	// gets shorter again. It is looked at once a second. Default: `10s`.
	Interval Duration `toml:"interval"`
	// How long the first ejection lasts, above 0. The n-th in a row is n times as long.
	// It ends with the next whole second. Default: `30s`.
	BaseEjectionTime Duration `toml:"base_ejection_time"`
	// But no longer than this, at least base_ejection_time. Default: 300s, or
	// base_ejection_time if that is longer.
	MaxEjectionTime Duration `toml:"max_ejection_time"`
	// Of the service's endpoints, how many percent may be ejected at once, 1 to 100.
	// Counted with the next one: at 67, two of three. Default: `50`.
	MaxEjectionPercent int `toml:"max_ejection_percent"`
	// 0 to 100. Default: `100`.
	EnforcingSuccessRate int `toml:"enforcing_success_rate"`
	// How many endpoints must have had the volume for rates to be compared, at least
	// 1. Default: `5`.
	SuccessRateMinimumHosts int `toml:"success_rate_minimum_hosts"`
	// How many requests an endpoint must have had in an interval, at least 1.
	// Default: `100`.
	SuccessRateRequestVolume int `toml:"success_rate_request_volume"`
	// Who succeeds less often than mean − factor ÷ 1000 × standard deviation is found;
	// 1 to 1000000. Default: `1900`.
	SuccessRateStdevFactor int `toml:"success_rate_stdev_factor"`
	// Who fails in as many percent of requests is found, 1 to 100. Default: `85`.
	FailurePercentageThreshold int `toml:"failure_percentage_threshold"`
	// 0 to 100. Default: `0`.
	EnforcingFailurePercentage int `toml:"enforcing_failure_percentage"`
	// As success_rate_minimum_hosts. Default: `5`.
	FailurePercentageMinimumHosts int `toml:"failure_percentage_minimum_hosts"`
	// As success_rate_request_volume. Default: `50`.
	FailurePercentageRequestVolume int `toml:"failure_percentage_request_volume"`
	// Whether a health check that passes ends an ejection. Where checks do not see
	// what traffic sees, an endpoint would be back with the next one. Default: true.
	SuccessfulActiveHealthCheckUnejectHost bool `toml:"successful_active_health_check_uneject_host"`
}

func (o *OutlierDetection) setDefaults() {
	*o = OutlierDetection{
		ConsecutiveErrors:                      5,
		ConsecutiveGatewayFailure:              3,
		EnforcingConsecutiveGatewayFailure:     100,
		Interval:                               Duration(10 * time.Second),
		BaseEjectionTime:                       Duration(30 * time.Second),
		MaxEjectionTime:                        Duration(300 * time.Second),
		MaxEjectionPercent:                     50,
		EnforcingSuccessRate:                   100,
		SuccessRateMinimumHosts:                5,
		SuccessRateRequestVolume:               100,
		SuccessRateStdevFactor:                 1900,
		FailurePercentageThreshold:             85,
		FailurePercentageMinimumHosts:          5,
		FailurePercentageRequestVolume:         50,
		SuccessfulActiveHealthCheckUnejectHost: true,
	}
}

// fillOutlier fills in what depends on other keys.
func (l *loader) fillOutlier(path string, o *OutlierDetection) {
	if o != nil && !l.has(path+".max_ejection_time") {
		o.MaxEjectionTime = max(o.MaxEjectionTime, o.BaseEjectionTime)
	}
}

// checkOutlier checks outlier detection (spec.md §10.4).
func (l *loader) checkOutlier(path string, s *Service, c *Config) {
	o := s.OutlierDetection
	if o == nil {
		return
	}
	section := path + ".outlier_detection"
	key := func(name string) string { return section + "." + name }
	l.checkRange(key("consecutive_errors"), int64(o.ConsecutiveErrors), 1, 10000)
	l.checkRange(key("consecutive_gateway_failure"), int64(o.ConsecutiveGatewayFailure), 1, 10000)
	l.checkRange(key("max_ejection_percent"), int64(o.MaxEjectionPercent), 1, 100)
	l.checkRange(key("success_rate_minimum_hosts"), int64(o.SuccessRateMinimumHosts), 1, 1e6)
	l.checkRange(key("success_rate_request_volume"), int64(o.SuccessRateRequestVolume), 1, 1e9)
	l.checkRange(key("success_rate_stdev_factor"), int64(o.SuccessRateStdevFactor), 1, 1e6)
	l.checkRange(key("failure_percentage_threshold"), int64(o.FailurePercentageThreshold), 1, 100)
	l.checkRange(key("failure_percentage_minimum_hosts"), int64(o.FailurePercentageMinimumHosts), 1, 1e6)
	l.checkRange(key("failure_percentage_request_volume"), int64(o.FailurePercentageRequestVolume), 1, 1e9)
	l.checkRange(key("enforcing_consecutive_errors"), int64(o.EnforcingConsecutiveErrors), 0, 100)
	l.checkRange(key("enforcing_consecutive_gateway_failure"), int64(o.EnforcingConsecutiveGatewayFailure), 0, 100)
	l.checkRange(key("enforcing_success_rate"), int64(o.EnforcingSuccessRate), 0, 100)
	l.checkRange(key("enforcing_failure_percentage"), int64(o.EnforcingFailurePercentage), 0, 100)
	l.checkOutlierTimes(key, o)
	if uneject := key("successful_active_health_check_uneject_host"); s.HealthCheck == nil {
		l.onlyWith(uneject, l.has(uneject), "[service.health_check]")
	}
	if s.LocalityLBPolicy == "ORIGINAL_DESTINATION" && !l.bad[path+".locality_lb_policy"] {
		l.errorf(section, `has no meaning beside locality_lb_policy = "ORIGINAL_DESTINATION": clients get the endpoint that they have dialed, or none`)
	}
	l.checkOutlierNumbers(key, o, c.knownEndpoints(s))
}

func (l *loader) checkOutlierTimes(key func(string) string, o *OutlierDetection) {
	l.checkPositive(key("interval"), o.Interval)
	l.checkPositive(key("base_ejection_time"), o.BaseEjectionTime)
	if most := key("max_ejection_time"); !l.bad[most] && !l.bad[key("base_ejection_time")] && o.MaxEjectionTime < o.BaseEjectionTime {
		l.errorf(most, "%v would have no effect: base_ejection_time is %v", o.MaxEjectionTime, o.BaseEjectionTime)
	}
}

// checkOutlierNumbers warns of what cannot come true with n endpoints, which may be
// more one day; n is 0 where nobody knows how many there will be.
func (l *loader) checkOutlierNumbers(key func(string) string, o *OutlierDetection, n int) {
	if n == 0 {
		return
	}
	percent := key("max_ejection_percent")
	if l.has(percent) && !l.bad[percent] && o.MaxEjectionPercent >= 1 && o.MaxEjectionPercent*n < 100 {
		l.warnf(percent, "%d %% of %d endpoints are less than one: nobody would ever be ejected", o.MaxEjectionPercent, n)
	}
	for name, least := range map[string]int{
		"success_rate_minimum_hosts":       o.SuccessRateMinimumHosts,
		"failure_percentage_minimum_hosts": o.FailurePercentageMinimumHosts,
	} {
		if l.has(key(name)) && !l.bad[key(name)] && least > n {
			l.warnf(key(name), "%d: the service has %d endpoints, and they would never be compared", least, n)
		}
	}
}

// knownEndpoints is how many endpoints a service has; 0 where some are found elsewhere.
func (c *Config) knownEndpoints(s *Service) int {
	for _, b := range s.Backends {
		if g, _ := c.group(b.Group); g != nil && g.Finds() {
			return 0
		}
	}
	return len(c.Endpoints(s))
}
