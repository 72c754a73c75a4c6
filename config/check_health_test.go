package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/health"
)

// A file that check calls valid must not be refused by the checker when the
// proxy starts.
func TestHealthCheckIsJudgedAsTheCheckerJudgesIt(t *testing.T) {
	long := strings.Repeat("a", 1025)
	valid := 0
	for _, keys := range []string{
		"", `check_interval = "9ms"`, `check_interval = "10ms"`, `check_interval = "5m"`, `check_interval = "301s"`,
		`timeout = "5s"`, `timeout = "6s"`,
		"healthy_threshold = 1", "healthy_threshold = 10", "healthy_threshold = 11",
		"unhealthy_threshold = 10", "unhealthy_threshold = 11", "port = 65535", "port = 65536",
		`request_path = "/a?b=c"`, `request_path = "/a#b"`, `request_path = "/` + long + `"`,
		`host = "a.example"`, `host = "a.example:80"`, `host = "[::1]:80"`, `host = "unix:/run/a"`, `host = "a/b"`,
		`request = "PING"`, "request = \"PING\"\nresponse = \"PONG\"", `response = "PONG"`, `response = "P-O"`, `response = "` + long + `"`,
	} {
		for _, kind := range []string{"HTTP", "TCP"} {
			text := fmt.Sprintf("%s[service.health_check]\ntype = %q\n%s\n", smallest, kind, keys)
			c, err := config.Parse("test.toml", []byte(text))
			if err != nil {
				continue
			}
			valid++
			h := c.Services[0].HealthCheck
			check := health.Check{
				Type:               h.Type,
				CheckInterval:      time.Duration(h.CheckInterval),
				Timeout:            time.Duration(h.Timeout),
				HealthyThreshold:   h.HealthyThreshold,
				UnhealthyThreshold: h.UnhealthyThreshold,
				Port:               h.Port,
				Host:               h.Host,
				RequestPath:        h.RequestPath,
				Request:            h.Request,
				Response:           h.Response,
			}
			if err := check.Validate(); err != nil {
				t.Errorf("the file is valid with type = %q and %s, but: %v", kind, keys, err)
			}
		}
	}
	if valid < 20 {
		t.Errorf("only %d of the checks are valid: this test compares too few", valid)
	}
}
