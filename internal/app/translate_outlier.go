package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/health"
)

// outlierOf translates outlier detection. Of a percentage 0 means 0 in the file, and
// the default in health.Outlier.
func outlierOf(o *config.OutlierDetection) *health.Outlier {
	if o == nil {
		return nil
	}
	enforcing := func(percent int) int {
		if percent == 0 {
			return health.LogOnly
		}
		return percent
	}
	return &health.Outlier{
		ConsecutiveErrors:                  o.ConsecutiveErrors,
		EnforcingConsecutiveErrors:         enforcing(o.EnforcingConsecutiveErrors),
		ConsecutiveGatewayFailure:          o.ConsecutiveGatewayFailure,
		EnforcingConsecutiveGatewayFailure: enforcing(o.EnforcingConsecutiveGatewayFailure),
		Interval:                           time.Duration(o.Interval),
		BaseEjectionTime:                   time.Duration(o.BaseEjectionTime),
		MaxEjectionTime:                    time.Duration(o.MaxEjectionTime),
		MaxEjectionPercent:                 o.MaxEjectionPercent,
		EnforcingSuccessRate:               enforcing(o.EnforcingSuccessRate),
		SuccessRateMinimumHosts:            o.SuccessRateMinimumHosts,
		SuccessRateRequestVolume:           o.SuccessRateRequestVolume,
		SuccessRateStdevFactor:             o.SuccessRateStdevFactor,
		FailurePercentageThreshold:         o.FailurePercentageThreshold,
		EnforcingFailurePercentage:         enforcing(o.EnforcingFailurePercentage),
		FailurePercentageMinimumHosts:      o.FailurePercentageMinimumHosts,
		FailurePercentageRequestVolume:     o.FailurePercentageRequestVolume,
		OutlastChecks:                      !o.SuccessfulActiveHealthCheckUnejectHost,
	}
}
