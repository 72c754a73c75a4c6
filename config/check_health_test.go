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
		`port_specification = "USE_FIXED_PORT"`, `port_specification = "USE_SERVING_PORT"`, `port_specification = "USE_NAMED_PORT"`,
		"port_specification = \"USE_SERVING_PORT\"\nport = 80", `port_name = "http"`, "port = 80\nport_name = \"http\"",
		`proxy_header = "PROXY_V1"`, `grpc_service_name = "a.b"`, `grpc_service_name = "` + long + `"`, `grpc_service_name = "ö"`,
		"response = \"PONG\"\nstrict_response = true", "strict_response = true", "fast_start = false", "flap_damping = true",
		`request = "PING"`, "request = \"PING\"\nresponse = \"PONG\"", `response = "PONG"`, `response = "P-O"`, `response = "` + long + `"`,
	} {
		for _, kind := range health.Types() {
			text := fmt.Sprintf("%s[service.health_check]\ntype = %q\n%s\n", smallest, kind, keys)
			c, err := config.Parse("test.toml", []byte(text))
			if err != nil {
				continue
			}
			valid++
			check := theCheck(c.Services[0].HealthCheck)
			if err := check.Validate(); err != nil {
				t.Errorf("the file is valid with type = %q and %s, but: %v", kind, keys, err)
			}
		}
	}
	if valid < 100 {
		t.Errorf("only %d of the checks are valid: this test compares too few", valid)
	}
}

// theCheck is what internal/app makes of it.
func theCheck(h *config.HealthCheck) health.Check {
	return health.Check{
		Type:               h.Type,
		CheckInterval:      time.Duration(h.CheckInterval),
		Timeout:            time.Duration(h.Timeout),
		HealthyThreshold:   h.HealthyThreshold,
		UnhealthyThreshold: h.UnhealthyThreshold,
		PortSpecification:  h.PortSpecification,
		Port:               h.Port,
		PortName:           h.PortName,
		Host:               h.Host,
		RequestPath:        h.RequestPath,
		Request:            h.Request,
		Response:           h.Response,
		StrictResponse:     h.StrictResponse,
		GRPCServiceName:    h.GRPCServiceName,
		ProxyHeader:        h.ProxyHeader,
	}
}

// TestHealthCheckPorts is the rows of spec.md §8.1 on ports, and T13 beside them.
func TestHealthCheckPorts(t *testing.T) {
	const services = `[[listener]]
listen = ":80"
service = "s"
[[group]]
name = "g"
named_ports = { http = 8080 }
endpoints = ["10.0.0.1:80"]
[[service]]
name = "s"
backend = [{ group = "g" }]
[service.health_check]
`
	for _, c := range []struct{ name, keys, want string }{
		{"serving port by default", `type = "TCP"`, "USE_SERVING_PORT 0 "},
		{"port", "type = \"TCP\"\nport = 9", "USE_FIXED_PORT 9 "},
		{"port_name", "type = \"TCP\"\nport_name = \"http\"", "USE_NAMED_PORT 0 http"},
		{"port wins over port_name", "type = \"TCP\"\nport = 9\nport_name = \"http\"", "USE_FIXED_PORT 9 "},
		{"default port of TCP", "type = \"TCP\"\nport_specification = \"USE_FIXED_PORT\"", "USE_FIXED_PORT 80 "},
		{"default port of HTTP", "type = \"HTTP\"\nport_specification = \"USE_FIXED_PORT\"", "USE_FIXED_PORT 80 "},
		{"default port of SSL", "type = \"SSL\"\nport_specification = \"USE_FIXED_PORT\"", "USE_FIXED_PORT 443 "},
		{"default port of HTTPS", "type = \"HTTPS\"\nport_specification = \"USE_FIXED_PORT\"", "USE_FIXED_PORT 443 "},
		{"default port of HTTP2", "type = \"HTTP2\"\nport_specification = \"USE_FIXED_PORT\"", "USE_FIXED_PORT 443 "},
		{"default port of GRPC", "type = \"GRPC\"\nport_specification = \"USE_FIXED_PORT\"", "error"},
		{"T13", "type = \"TCP\"\ncheck_interval = \"5s\"\ntimeout = \"6s\"", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := config.Parse("test.toml", []byte(services+c.keys))
			if err != nil {
				if c.want != "error" {
					t.Error(err)
				}
				return
			}
			h := cfg.Services[0].HealthCheck
			if got := fmt.Sprint(h.PortSpecification, " ", h.Port, " ", h.PortName); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			resolved, err := theCheck(h).ResolvePort(map[string]int{"http": 8080})
			if err != nil || resolved.PortSpecification == "USE_NAMED_PORT" {
				t.Errorf("%+v, %v", resolved, err)
			}
		})
	}
}
