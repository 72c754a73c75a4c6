//go:build !race && !faults

package http_test

import (
	"bufio"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/proxy"
)

// thrifty is an endpoint that allocates nothing for a request.
func thrifty(t *testing.T) string { return thriftyWith(t, ok) }

func thriftyWith(t *testing.T, response string) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		buf, reply := make([]byte, 4096), []byte(response)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	})
}

// manyTimes is often enough to tell an allocation in every twentieth request from
// those of the runtime itself, which are a dozen.
const manyTimes = 2000

// allocatesNothing sends a request many times over one connection and counts
// what the whole process allocates meanwhile, which endpoint and client of these
// tests do not.
func allocatesNothing(t *testing.T, b *bench, request string) {
	t.Helper()
	c, buf, wire := b.dial(), make([]byte, 4096), []byte(request)
	rounds := func(n int) {
		for range n {
			if _, err := c.Write(wire); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	rounds(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rounds(manyTimes)
	runtime.ReadMemStats(&after)
	// A garbage collection may empty the pools once or twice meanwhile.
	most := uint64(manyTimes / 20)
	if b.driver.tls {
		most += 2 * manyTimes // package tls makes one for each record that it reads, at either end
	}
	if got := after.Mallocs - before.Mallocs; got > most {
		t.Errorf("%d requests made %d allocations", manyTimes, got)
	}
}

func TestRequestsAllocateNothing(t *testing.T) { eachDriver(t, requestsAllocateNothing) }
func TestActionsAllocateNothing(t *testing.T)  { eachDriver(t, actionsAllocateNothing) }

func TestLoadReportsAllocateNothing(t *testing.T) { eachDriver(t, loadReportsAllocateNothing) }

func TestStrongCookiesAllocateNothing(t *testing.T) { eachDriver(t, strongCookiesAllocateNothing) }

// Neither one that is opened, nor one that is set.
func strongCookiesAllocateNothing(t *testing.T, d driver) {
	rule := strongRule(t)
	b := d.start(t, []string{thrifty(t)}, quiet, withService(func(s *proxy.Service) { s.Affinity = rule }))
	id := b.balancer.Snapshot().Candidates[0].ID
	for result, header := range map[proxy.CookieResult]string{proxy.CookieHit: sessionOn(rule, id, time.Now()), proxy.CookieInvalid: "Cookie: SPILLWAY=junk\r\n"} {
		allocatesNothing(t, b, "GET / HTTP/1.1\r\nHost: a\r\n"+header+"\r\n")
		if b.service.Stats.Cookies[result].Load() < manyTimes {
			t.Errorf("results %v", b.cookies())
		}
	}
}

func requestsAllocateNothing(t *testing.T, d driver) {
	b := d.start(t, []string{thrifty(t)}, quiet)
	allocatesNothing(t, b, "GET /index.html HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
}

func loadReportsAllocateNothing(t *testing.T, d driver) {
	for name, report := range map[string]string{
		"text": "Endpoint-Load-Metrics: TEXT cpu_utilization=0.5,rps_fractional=1000.5,named_metrics.gpu=0.25,named_metrics.other=7",
		"json": `endpoint-load-metrics-json: {"cpuUtilization":0.5,"namedMetrics":{"gpu":0.25}}`,
		"bin":  "x-endpoint-load-metrics-bin: CQAAAAAAAOA/Qg4KA2dwdREAAAAAAADQPw==",
	} {
		t.Run(name, func(t *testing.T) {
			noted := withService(func(s *proxy.Service) {
				s.LoadReports = &proxy.LoadReports{Reader: health.NewLoadReader("orca.named_metrics.gpu"), Note: func(_ string, r *health.LoadReport) {
					if gpu, _ := r.Value("orca.named_metrics.gpu"); r.CPU != 0.5 || gpu != 0.25 {
						t.Errorf("%+v", r)
					}
				}}
			})
			b := d.start(t, []string{thriftyWith(t, "HTTP/1.1 200 OK\r\n"+report+"\r\nContent-Length: 2\r\n\r\nok")}, quiet, noted)
			allocatesNothing(t, b, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if b.service.Stats.LoadReports[proxy.LoadReportOK].Load() < manyTimes {
				t.Error("reports were not read")
			}
		})
	}
}

func actionsAllocateNothing(t *testing.T, d driver) {
	header := edit(t, []string{"User-Agent", "Server"}, proxy.HeaderField{Name: "X-A", Value: "b"})
	for name, a := range map[string]proxy.Actions{
		"rewrite":  {PathRewrite: "/", HostRewrite: []byte("b"), Request: header, Response: header},
		"redirect": {Redirect: &proxy.Redirect{Status: 301, Prefix: "/", HTTPS: true}, Response: header},
		"fixed":    {Fixed: &proxy.FixedResponse{Status: 200, Body: []byte("ok")}},
	} {
		t.Run(name, func(t *testing.T) {
			b := d.start(t, []string{thrifty(t)}, quiet, acting(a))
			allocatesNothing(t, b, "GET /v1/../v1/index.html?q HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
		})
	}
}
