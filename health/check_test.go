package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
)

func TestDefaultsAreThoseOfTheSpec(t *testing.T) {
	want := health.Check{Type: "TCP", CheckInterval: 5 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2,
		PortSpecification: "USE_SERVING_PORT", ProxyHeader: "NONE"}
	if got := (health.Check{}).WithDefaults(); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	want.Type, want.RequestPath = "HTTP", "/"
	if got := (health.Check{Type: "http"}).WithDefaults(); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := (health.Check{CheckInterval: time.Second}).WithDefaults().Timeout; got != time.Second {
		t.Errorf("timeout %v of a check every second", got)
	}
	if got := want.WithDefaults(); got != want {
		t.Errorf("defaults over defaults changed %+v to %+v", want, got)
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		name  string
		check health.Check
		want  []string // none: valid
	}{
		{"zero", health.Check{}, nil},
		{"HTTP, everything", health.Check{Type: "HTTP", CheckInterval: time.Second, Timeout: time.Second, HealthyThreshold: 10, UnhealthyThreshold: 1,
			Port: 65535, Host: "example.com:80", RequestPath: "/a?b=c", Response: "all 1 OK"}, nil},
		{"TCP, everything", health.Check{Type: "tcp", Request: "PING\r\n", Response: "+PONG"}, nil},
		{"timeout above interval", health.Check{CheckInterval: 5 * time.Second, Timeout: 6 * time.Second}, []string{"timeout must be <= check_interval"}},
		{"too often", health.Check{CheckInterval: time.Millisecond}, []string{"check_interval"}},
		{"too rarely", health.Check{CheckInterval: 301 * time.Second}, []string{"check_interval"}},
		{"negative", health.Check{CheckInterval: -1, Timeout: -1, HealthyThreshold: -1, UnhealthyThreshold: -1, Port: -1},
			[]string{"check_interval", "timeout -1ns must be positive", "healthy_threshold", "unhealthy_threshold", "port"}},
		{"too many", health.Check{HealthyThreshold: 11, UnhealthyThreshold: 11, Port: 65536}, []string{"healthy_threshold 11", "unhealthy_threshold 11", "port 65536"}},
		{"no type", health.Check{Type: "ICMP"}, []string{`unknown type "ICMP"`}},
		{"TCP with HTTP's fields", health.Check{Host: "a", RequestPath: "/"}, []string{"host is not used", "request_path is not used"}},
		{"TCP without answer", health.Check{Request: "PING"}, []string{"request without response"}},
		{"TCP, long", health.Check{Request: long, Response: long}, []string{"request is 1025 bytes", "response is 1025 bytes"}},
		{"TCP, not ASCII", health.Check{Response: "ö"}, []string{"not ASCII"}},
		{"TCP, not text at all", health.Check{Response: "\xff"}, []string{"not ASCII"}},
		{"HTTP with TCP's field", health.Check{Type: "HTTP", Request: "x"}, []string{"request is not used"}},
		{"HTTP, path without slash", health.Check{Type: "HTTP", RequestPath: "healthz"}, []string{"begin with /"}},
		{"HTTP, a second request in the path", health.Check{Type: "HTTP", RequestPath: "/ HTTP/1.1\r\nX: y"}, []string{"request_path"}},
		{"HTTP, a header in the host", health.Check{Type: "HTTP", Host: "a\r\nX: y"}, []string{"host"}},
		{"HTTP, a URL for host", health.Check{Type: "HTTP", Host: "http://a/"}, []string{"host"}},
		{"HTTP, long", health.Check{Type: "HTTP", RequestPath: "/" + long, Response: long}, []string{"request_path is 1026", "response is 1025"}},
		{"HTTP, wildcard", health.Check{Type: "HTTP", Response: "ok*"}, []string{"letters, digits and spaces"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.check.Validate()
			_, newErr := health.NewChecker(c.check)
			if (err == nil) != (newErr == nil) {
				t.Errorf("Validate says %v, NewChecker %v", err, newErr)
			}
			if err == nil {
				if len(c.want) > 0 {
					t.Fatalf("no error, want %q", c.want)
				}
				return
			}
			if problems := strings.Split(err.Error(), "\n"); len(problems) != len(c.want) {
				t.Errorf("%d problems, want %d:\n%v", len(problems), len(c.want), err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in:\n%v", w, err)
				}
			}
		})
	}
}
