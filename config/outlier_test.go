package config_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

const threeEndpoints = `
[[listener]]
listen = ":1"
service = "web"
[[service]]
name = "web"
endpoints = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
[service.outlier_detection]
`

// The defaults of spec.md §10.4 are Google's, also for a section that is empty.
func TestOutlierDetectionHasGooglesDefaults(t *testing.T) {
	c, err := config.Parse("test.toml", []byte(threeEndpoints))
	if err != nil {
		t.Fatal(err)
	}
	o := *c.Services[0].OutlierDetection
	want := config.OutlierDetection{
		ConsecutiveErrors: 5, EnforcingConsecutiveErrors: 0,
		ConsecutiveGatewayFailure: 3, EnforcingConsecutiveGatewayFailure: 100,
		Interval: 10e9, BaseEjectionTime: 30e9, MaxEjectionTime: 300e9, MaxEjectionPercent: 50,
		EnforcingSuccessRate: 100, SuccessRateMinimumHosts: 5, SuccessRateRequestVolume: 100, SuccessRateStdevFactor: 1900,
		FailurePercentageThreshold: 85, EnforcingFailurePercentage: 0, FailurePercentageMinimumHosts: 5, FailurePercentageRequestVolume: 50,
		SuccessfulActiveHealthCheckUnejectHost: true,
	}
	if o != want {
		t.Errorf("%+v\nwant %+v", o, want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("defaults are warned of: %v", c.Warnings)
	}
	c, err = config.Parse("test.toml", []byte(threeEndpoints+`base_ejection_time = "10m"`))
	if err != nil || c.Services[0].OutlierDetection.MaxEjectionTime != 600e9 {
		t.Errorf("max_ejection_time is not at least base_ejection_time: %v", err)
	}
}

func TestOutlierDetectionThatCannotEjectIsWarnedOf(t *testing.T) {
	for key, want := range map[string]string{
		"max_ejection_percent = 33":            "33 % of 3 endpoints are less than one: nobody would ever be ejected",
		"max_ejection_percent = 34":            "",
		"success_rate_minimum_hosts = 4":       "4: the service has 3 endpoints, and they would never be compared",
		"success_rate_minimum_hosts = 3":       "",
		"failure_percentage_minimum_hosts = 4": "4: the service has 3 endpoints",
	} {
		c, err := config.Parse("test.toml", []byte(threeEndpoints+key))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range c.Warnings {
			got += w.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: warnings %q, want %q", key, got, want)
		}
	}
}
