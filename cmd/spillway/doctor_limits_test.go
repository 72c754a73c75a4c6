package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// More of the matrix: limits that are reached, and what follows from that.

// holding starts an HTTP endpoint that answers GET /hold when the test ends, and
// everything else with a status at once.
func holding(t *testing.T, status int) string {
	t.Helper()
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(func() { close(over); s.Close() })
	return strings.TrimPrefix(s.URL, "http://")
}

// occupy has n requests to a listener wait for their answers, and returns when all are
// under way.
func (p *patient) occupy(listener string, n int) {
	p.Helper()
	for range n {
		c, err := net.Dial("tcp", p.addr(listener))
		if err != nil {
			p.Fatal(err)
		}
		p.Cleanup(func() { c.Close() })
		if _, err := fmt.Fprint(c, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			p.Fatal(err)
		}
	}
	p.eventually(func(s *admin.ServiceStatus) bool {
		active := int64(0)
		for _, g := range s.Groups {
			for _, e := range g.Endpoints {
				active += e.Active
			}
		}
		return active == int64(n)
	})
}

// eventually waits until the admin API says so of the only service.
func (p *patient) eventually(is func(s *admin.ServiceStatus) bool) {
	p.Helper()
	client := admin.NewClient(p.admin(), "")
	defer client.Close()
	testkit.Eventually(p.T, func() bool {
		all, err := client.Services(context.Background())
		return err == nil && len(all) == 1 && is(&all[0])
	})
}

func TestDoctorNamesKeysThatFindNoRoom(t *testing.T) {
	t.Parallel()
	a, b := holding(t, 200), holding(t, 200)
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `session_affinity = "CLIENT_IP"`,
		`endpoints = [{ address = "`+a+`", max = 5 }, { address = "`+b+`", max = 5 }]`)
	p.occupy("in", 5) // all from one address: one endpoint is full
	get(t, p.addr("in"), nil)
	p.expect("affinity-loss/max", "", []string{"saturated", "uneven"}, "found the key's endpoint at its max", "raise max")
}

func TestDoctorNamesCookiesOfAnotherKey(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `session_affinity = "STRONG_COOKIE_AFFINITY"`, `endpoints = `+quoted(endpoint(t, "a"), endpoint(t, "b")))
	get(t, p.addr("in"), func(int64) (string, string) { return "Cookie", "SPILLWAY=of-another-proxy" })
	p.expect("affinity-loss/invalid", "", nil, "could not be opened", "the same keys")
}

func TestDoctorNamesTheCapOfEjections(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(endpoint(t, "a"), holding(t, 503), holding(t, 503)),
		`[service.outlier_detection]`, `max_ejection_percent = 34`, `base_ejection_time = "300s"`)
	get(t, p.addr("in"), nil)
	spared := ""
	p.eventually(func(s *admin.ServiceStatus) bool {
		for _, e := range s.Groups[0].Endpoints {
			if e.SparedFor != "" {
				spared = e.ID
			}
		}
		return spared != ""
	})
	p.expect("ejected/cap", spared, []string{"ejected", "failing", "uneven"}, "1 of 3 endpoints are ejected, and max_ejection_percent (34) keeps further ill ones in use")
}

func TestDoctorNamesALimitThatTurnsAway(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(holding(t, 200)),
		`[service.circuit_breakers]`, `max_requests = 2`)
	p.occupy("in", 2)
	get(t, p.addr("in"), nil)
	p.expect("overflow/max_requests", "", nil, "as many under way as max_requests allows (2); 2 under way", "raise max_requests")
}

func TestDoctorNamesAQueueThatStays(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `timeout = "10m"`, `endpoints = `+quoted(echo(t, "127.0.0.1:0")),
		`[service.circuit_breakers]`, `max_connections = 1`, `pending_timeout = "1h"`)
	hold(t, p.addr("in"), 1)
	for range 2 {
		c, err := net.Dial("tcp", p.addr("in"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	p.eventually(func(s *admin.ServiceStatus) bool { return s.Queue.Queued == 2 })
	p.expect("queue", "", nil, "1 under way and 2 waiting now", "raise max_connections")
}

func TestDoctorNamesAPanicThatSheds(t *testing.T) {
	t.Parallel()
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `panic = "shed"`, `panic_threshold = 60`, `endpoints = `+quoted(endpoint(t, "a"), testkit.FreeAddr(t)),
		`[service.health_check]`, `check_interval = "5s"`, `unhealthy_threshold = 1`) // the first check comes at once
	p.eventually(func(s *admin.ServiceStatus) bool { return s.Panic })
	get(t, p.addr("in"), nil)
	p.expect("panic/shed", "", []string{"unhealthy"}, "1 of 2 endpoints are healthy, fewer than the 60 % of panic_threshold, since 20", "50.0 % of what comes is refused", "mend endpoints")
}

// The way back leads over another proxy: in the file of neither it can be seen.
func TestDoctorNamesALoopOverAnotherProxy(t *testing.T) {
	t.Parallel()
	other := testkit.FreeAddr(t)
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(other))
	proxy(t, write(t, filepath.Join(t.TempDir(), "b.toml"), `[[listener]]`, `listen = "`+other+`"`, `service = "back"`,
		`[[service]]`, `name = "back"`, `endpoints = `+quoted(p.addr("in"))))
	get(t, p.addr("in"), nil)
	p.expect("loop", "", []string{"failing"}, "came back for the eleventh time and got 508", "Via")
}
