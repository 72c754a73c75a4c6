package metrics_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/metrics"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// web is a service of two groups that has seen some traffic.
func web(t *testing.T) metrics.Service {
	t.Helper()
	b, err := lb.New(lb.Options{Name: "web", Groups: []lb.Group{
		{Name: "eu-a", Endpoints: []balance.Endpoint{{ID: "a", Addr: "127.0.0.1:1", Weight: 3}}},
		{Name: "eu-b", Endpoints: []balance.Endpoint{{ID: "b", Addr: "127.0.0.1:2", Weight: 1}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := metrics.Service{Name: "web", Balancer: b, Stats: new(proxy.Stats)}
	for range 4 { // round robin by weight: three on a, one on b
		lease := pick(t, b)
		s.Stats.Codes(lease.Endpoint.Load).Add(200)
		s.Stats.Attempts[proxy.AttemptOK].Add(1)
		s.Stats.Duration.Observe(2 * time.Millisecond)
		lease.Done(lb.Success)
	}
	s.Stats.Codes(nil).Add(404)
	s.Stats.AffinityHit.Add(5)
	s.Stats.Loops.Add(2)
	s.Stats.Cookies[proxy.CookieMoved].Add(3)
	s.Stats.TCPBytes[proxy.ToClient][proxy.Spliced].Add(1 << 20)
	return s
}

func pick(t *testing.T, b *lb.Balancer) lb.Lease {
	t.Helper()
	lease, err := b.Pick(context.Background(), lb.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func collectorOf(services ...metrics.Service) *metrics.Collector {
	return metrics.NewCollector(metrics.Source{
		Services:  func() []metrics.Service { return services },
		Listeners: func() []metrics.Listener { return []metrics.Listener{{Name: "in", Connections: 7}} },
		Reloads:   func() (uint64, uint64) { return 3, 1 },
		Dropped:   func() (uint64, uint64) { return 2, 9 },
		Version:   "v1.2.3",
	})
}

// expect compares what a scrape says of the families named in want.
func expect(t *testing.T, c prometheus.Collector, want string) {
	t.Helper()
	var names []string
	for line := range strings.Lines(want) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
			names = append(names, f[2])
		}
	}
	if len(names) == 0 {
		t.Fatal("the expectation names no metric")
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestRequestsAreCountedByEndpointAndCode(t *testing.T) {
	expect(t, collectorOf(web(t)), `
# HELP spillway_requests_total HTTP responses by status code; endpoint is empty for those that Spillway made itself.
# TYPE spillway_requests_total counter
spillway_requests_total{code="200",endpoint="a",group="eu-a",service="web"} 3
spillway_requests_total{code="200",endpoint="b",group="eu-b",service="web"} 1
spillway_requests_total{code="404",endpoint="",group="",service="web"} 1
# HELP spillway_attempts_total Tries on endpoints by how they ended; more than one for a request that was retried.
# TYPE spillway_attempts_total counter
spillway_attempts_total{reason="bad_response",service="web"} 0
spillway_attempts_total{reason="client_gone",service="web"} 0
spillway_attempts_total{reason="connect_failure",service="web"} 0
spillway_attempts_total{reason="ok",service="web"} 4
spillway_attempts_total{reason="reset",service="web"} 0
spillway_attempts_total{reason="stale_connection",service="web"} 0
spillway_attempts_total{reason="status",service="web"} 0
spillway_attempts_total{reason="timeout",service="web"} 0
`)
}

func TestRetriesAreShownWithWhatTheyWereFor(t *testing.T) {
	s := web(t)
	s.Stats.Retries[proxy.AttemptConnectFailure].Add(2)
	s.Stats.Retries[proxy.AttemptStatus].Add(1)
	s.Stats.RetriesOverBudget.Add(4)
	expect(t, collectorOf(s), `
# HELP spillway_retries_total Tries that were made again, on another endpoint or a fresh connection, by how the one before ended.
# TYPE spillway_retries_total counter
spillway_retries_total{reason="bad_response",service="web"} 0
spillway_retries_total{reason="connect_failure",service="web"} 2
spillway_retries_total{reason="reset",service="web"} 0
spillway_retries_total{reason="stale_connection",service="web"} 0
spillway_retries_total{reason="status",service="web"} 1
spillway_retries_total{reason="timeout",service="web"} 0
# HELP spillway_retries_over_budget_total Retries that were not made, because too many were under way.
# TYPE spillway_retries_over_budget_total counter
spillway_retries_over_budget_total{service="web"} 4
`)
}

func TestSharesAndLoadAreShownByEndpoint(t *testing.T) {
	s := web(t)
	if err := s.Balancer.SetAdmin("b", lb.Drain); err != nil {
		t.Fatal(err)
	}
	pick(t, s.Balancer) // stays on a
	expect(t, collectorOf(s), `
# HELP spillway_endpoint_up 1 while the endpoint is healthy, or not checked at all; the operator's word does not count.
# TYPE spillway_endpoint_up gauge
spillway_endpoint_up{endpoint="a",group="eu-a",service="web"} 1
spillway_endpoint_up{endpoint="b",group="eu-b",service="web"} 1
# HELP spillway_endpoint_active Requests or connections on the endpoint now.
# TYPE spillway_endpoint_active gauge
spillway_endpoint_active{endpoint="a",group="eu-a",service="web"} 1
spillway_endpoint_active{endpoint="b",group="eu-b",service="web"} 0
# HELP spillway_endpoint_share_expected Part of new traffic that the endpoint should get now, from 0 to 1.
# TYPE spillway_endpoint_share_expected gauge
spillway_endpoint_share_expected{endpoint="a",group="eu-a",service="web"} 1
spillway_endpoint_share_expected{endpoint="b",group="eu-b",service="web"} 0
`)
}

func TestRemovedEndpointIsShownWhileItHasSomething(t *testing.T) {
	s := web(t)
	held := pick(t, s.Balancer)
	for held.Endpoint.ID != "a" {
		held.Done(lb.Success)
		held = pick(t, s.Balancer)
	}
	if err := s.Balancer.SetEndpoints([]balance.Endpoint{{ID: "b", Addr: "127.0.0.1:2"}}); err != nil {
		t.Fatal(err)
	}
	expect(t, collectorOf(s), `
# HELP spillway_removed_endpoint_active Requests or connections on an endpoint that has left the file; there while it has any.
# TYPE spillway_removed_endpoint_active gauge
spillway_removed_endpoint_active{endpoint="a",group="eu-a",service="web"} 1
`)
	held.Done(lb.Success)
	if n := testutil.CollectAndCount(collectorOf(s), "spillway_removed_endpoint_active"); n != 0 {
		t.Errorf("%d series of endpoints that hold nothing", n)
	}
}

func TestDurationsAreAHistogramInSeconds(t *testing.T) {
	expect(t, collectorOf(web(t)), `
# HELP spillway_request_duration_seconds Time from the end of a request's head to the last byte of its response.
# TYPE spillway_request_duration_seconds histogram
spillway_request_duration_seconds_bucket{service="web",le="0.0005"} 0
spillway_request_duration_seconds_bucket{service="web",le="0.001"} 0
spillway_request_duration_seconds_bucket{service="web",le="0.0025"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.005"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.01"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.025"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.05"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.1"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.25"} 4
spillway_request_duration_seconds_bucket{service="web",le="0.5"} 4
spillway_request_duration_seconds_bucket{service="web",le="1"} 4
spillway_request_duration_seconds_bucket{service="web",le="2.5"} 4
spillway_request_duration_seconds_bucket{service="web",le="5"} 4
spillway_request_duration_seconds_bucket{service="web",le="10"} 4
spillway_request_duration_seconds_bucket{service="web",le="30"} 4
spillway_request_duration_seconds_bucket{service="web",le="+Inf"} 4
spillway_request_duration_seconds_sum{service="web"} 0.008
spillway_request_duration_seconds_count{service="web"} 4
`)
}

func TestTheRestOfTheProxyIsShown(t *testing.T) {
	expect(t, collectorOf(web(t)), `
# HELP spillway_access_log_dropped_total Lines that are missing in the access log because it could not be written fast enough.
# TYPE spillway_access_log_dropped_total counter
spillway_access_log_dropped_total 9
# HELP spillway_affinity_total Picks with an affinity key (keyed), and those that had none although the service has affinity; and what strong cookies were worth (hit, moved, miss, invalid, expired, refused), and how many had to go elsewhere because their endpoint (at_max) or their group (group_full) had no room.
# TYPE spillway_affinity_total counter
spillway_affinity_total{result="at_max",service="web"} 0
spillway_affinity_total{result="expired",service="web"} 0
spillway_affinity_total{result="group_full",service="web"} 0
spillway_affinity_total{result="hit",service="web"} 0
spillway_affinity_total{result="invalid",service="web"} 0
spillway_affinity_total{result="keyed",service="web"} 5
spillway_affinity_total{result="miss",service="web"} 0
spillway_affinity_total{result="moved",service="web"} 3
spillway_affinity_total{result="refused",service="web"} 0
spillway_affinity_total{result="unkeyed",service="web"} 0
# HELP spillway_config_reloads_total Reloads of the configuration by result.
# TYPE spillway_config_reloads_total counter
spillway_config_reloads_total{result="failure"} 1
spillway_config_reloads_total{result="success"} 3
# HELP spillway_connections Client connections, or UDP sessions, now.
# TYPE spillway_connections gauge
spillway_connections{listener="in"} 7
# HELP spillway_health_checks_total Health checks by result.
# TYPE spillway_health_checks_total counter
spillway_health_checks_total{result="failure",service="web"} 0
spillway_health_checks_total{result="success",service="web"} 0
# HELP spillway_log_dropped_total Lines that are missing in the log because it could not be written fast enough.
# TYPE spillway_log_dropped_total counter
spillway_log_dropped_total 2
# HELP spillway_loops_total HTTP requests that were refused because they had come through ten Spillways: they go in circles.
# TYPE spillway_loops_total counter
spillway_loops_total{service="web"} 2
# HELP spillway_tcp_bytes_total Bytes relayed by TCP connections and upgraded HTTP connections, inside the kernel (splice) or through memory (copy) for a reason.
# TYPE spillway_tcp_bytes_total counter
spillway_tcp_bytes_total{direction="from_client",path="copy",reason="descriptors",service="web"} 0
spillway_tcp_bytes_total{direction="from_client",path="copy",reason="no_socket",service="web"} 0
spillway_tcp_bytes_total{direction="from_client",path="copy",reason="platform",service="web"} 0
spillway_tcp_bytes_total{direction="from_client",path="copy",reason="small",service="web"} 0
spillway_tcp_bytes_total{direction="from_client",path="splice",reason="",service="web"} 0
spillway_tcp_bytes_total{direction="to_client",path="copy",reason="descriptors",service="web"} 0
spillway_tcp_bytes_total{direction="to_client",path="copy",reason="no_socket",service="web"} 0
spillway_tcp_bytes_total{direction="to_client",path="copy",reason="platform",service="web"} 0
spillway_tcp_bytes_total{direction="to_client",path="copy",reason="small",service="web"} 0
spillway_tcp_bytes_total{direction="to_client",path="splice",reason="",service="web"} 1.048576e+06
`)
}

func TestCutConnectionsAreShownByCause(t *testing.T) {
	s := web(t)
	s.Stats.CountCut("endpoint_drained")
	s.Stats.CountCut("connection_refused") // not one of them
	s.Stats.CountCut("")
	expect(t, collectorOf(s), `
# HELP spillway_connections_cut_total TCP connections, UDP sessions and HTTP exchanges that were cut because of what befell their endpoint.
# TYPE spillway_connections_cut_total counter
spillway_connections_cut_total{cause="endpoint_down",service="web"} 0
spillway_connections_cut_total{cause="endpoint_drained",service="web"} 1
spillway_connections_cut_total{cause="endpoint_removed",service="web"} 0
spillway_connections_cut_total{cause="endpoint_unhealthy",service="web"} 0
spillway_connections_cut_total{cause="failed_over",service="web"} 0
spillway_connections_cut_total{cause="operator",service="web"} 0
`)
}

func TestClientsOfTCPThatWereTurnedAwayAreShownByReason(t *testing.T) {
	counters := new(proxy.TCPCounters)
	counters.Refused.Add(2)
	counters.Unrouted.Add(3)
	counters.IdleTimeouts.Add(4)
	c := metrics.NewCollector(metrics.Source{
		Listeners: func() []metrics.Listener { return []metrics.Listener{{Name: "db", TCP: counters}, {Name: "web"}} },
	})
	expect(t, c, `
# HELP spillway_tcp_idle_timeouts_total Connections of TCP and SSL listeners that ended because of silence.
# TYPE spillway_tcp_idle_timeouts_total counter
spillway_tcp_idle_timeouts_total{listener="db"} 4
# HELP spillway_tcp_refused_total Clients of TCP and SSL listeners that were reset because no endpoint could be had (no_endpoint), or no route takes the name they ask for, or they did not ask in time (no_route).
# TYPE spillway_tcp_refused_total counter
spillway_tcp_refused_total{listener="db",reason="no_endpoint"} 2
spillway_tcp_refused_total{listener="db",reason="no_route"} 3
`)
}

func TestDatagramsAreCountedByDirectionAndReason(t *testing.T) {
	service := web(t)
	service.Stats.UDP.Datagrams[proxy.FromClient].Add(3)
	service.Stats.UDP.Bytes[proxy.ToClient].Add(512)
	drops := new(proxy.UDPDrops)
	drops[proxy.DropStray].Add(7)
	c := metrics.NewCollector(metrics.Source{
		Services:  func() []metrics.Service { return []metrics.Service{service} },
		Listeners: func() []metrics.Listener { return []metrics.Listener{{Name: "dns", UDPDrops: drops}, {Name: "web"}} },
	})
	expect(t, c, `
# HELP spillway_udp_bytes_total Bytes of the datagrams that UDP sessions passed on.
# TYPE spillway_udp_bytes_total counter
spillway_udp_bytes_total{direction="from_client",service="web"} 0
spillway_udp_bytes_total{direction="to_client",service="web"} 512
# HELP spillway_udp_datagrams_total Datagrams that UDP sessions passed on.
# TYPE spillway_udp_datagrams_total counter
spillway_udp_datagrams_total{direction="from_client",service="web"} 3
spillway_udp_datagrams_total{direction="to_client",service="web"} 0
# HELP spillway_udp_dropped_total Datagrams that a listener did not pass on, by reason.
# TYPE spillway_udp_dropped_total counter
spillway_udp_dropped_total{listener="dns",reason="draining"} 0
spillway_udp_dropped_total{listener="dns",reason="max_connections"} 0
spillway_udp_dropped_total{listener="dns",reason="no_endpoint"} 0
spillway_udp_dropped_total{listener="dns",reason="no_port"} 0
spillway_udp_dropped_total{listener="dns",reason="no_room"} 0
spillway_udp_dropped_total{listener="dns",reason="refused"} 0
spillway_udp_dropped_total{listener="dns",reason="send_failed"} 0
spillway_udp_dropped_total{listener="dns",reason="stray"} 7
spillway_udp_dropped_total{listener="dns",reason="too_big"} 0
spillway_udp_dropped_total{listener="dns",reason="unresolved"} 0
`)
}

func TestHeadersAreCountedByResultWhereTheyAreExpected(t *testing.T) {
	headers := new(proxy.HeaderCounters)
	headers[proxy.HeaderRead].Add(5)
	headers[proxy.HeaderMalformed].Add(2)
	c := metrics.NewCollector(metrics.Source{
		Listeners: func() []metrics.Listener { return []metrics.Listener{{Name: "in", Headers: headers}, {Name: "web"}} },
	})
	expect(t, c, `
# HELP spillway_proxy_headers_total Connections that were to begin with a PROXY header, by what came; all that were not read are closed.
# TYPE spillway_proxy_headers_total counter
spillway_proxy_headers_total{listener="in",result="ended"} 0
spillway_proxy_headers_total{listener="in",result="malformed"} 2
spillway_proxy_headers_total{listener="in",result="read"} 5
spillway_proxy_headers_total{listener="in",result="timeout"} 0
`)
}

// Names that dashboards are built on.
func TestEveryPromisedNameIsThere(t *testing.T) {
	r := metrics.NewRegistry(metrics.Source{
		Services:  func() []metrics.Service { return []metrics.Service{web(t)} },
		Listeners: func() []metrics.Listener { return []metrics.Listener{{Name: "in"}} },
		Reloads:   func() (uint64, uint64) { return 0, 0 },
		Dropped:   func() (uint64, uint64) { return 0, 0 },
		Version:   "v1.2.3",
	})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	for _, want := range []string{
		"requests_total", "request_duration_seconds", "attempts_total", "endpoint_up", "endpoint_active",
		"endpoint_share_expected", "endpoint_share_actual", "health_checks_total", "affinity_total",
		"tcp_bytes_total", "connections_cut_total", "udp_datagrams_total", "udp_bytes_total", "connections", "config_reloads_total",
		"log_dropped_total", "access_log_dropped_total", "build_info",
	} {
		if !slices.Contains(names, "spillway_"+want) {
			t.Errorf("spillway_%s is missing", want)
		}
	}
	if !slices.Contains(names, "go_goroutines") {
		t.Error("the Go runtime's metrics are missing")
	}
}

func TestNamesAndHelpAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := testutil.CollectAndLint(collectorOf(web(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestAServiceWithoutStatsShowsItsEndpoints(t *testing.T) {
	s := web(t)
	s.Stats = nil
	c := collectorOf(s)
	if n := testutil.CollectAndCount(c, "spillway_endpoint_up"); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	if n := testutil.CollectAndCount(c, "spillway_requests_total"); n != 0 {
		t.Errorf("%d request counters, want none", n)
	}
}

func TestAnEmptySourceCanBeScraped(t *testing.T) {
	if n := testutil.CollectAndCount(metrics.NewCollector(metrics.Source{})); n != 1 {
		t.Errorf("%d metrics, want build_info alone", n)
	}
}

func TestABadLabelFailsTheScrapeAndNotTheProxy(t *testing.T) {
	s := web(t)
	s.Name = "\xff"
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collectorOf(s))
	if _, err := r.Gather(); err == nil {
		t.Error("a label that is not UTF-8 was scraped without an error")
	}
}

// A scrape of a large proxy is complete, and does not make the counters that
// it looks for: that would cost time squared in Stats.
func TestTenThousandEndpointsCanBeScraped(t *testing.T) {
	const n = 10_000
	endpoints := make([]balance.Endpoint, n)
	for i := range endpoints {
		endpoints[i].Addr = fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
	}
	b, err := lb.New(lb.Options{Name: "big", Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collectorOf(metrics.Service{Name: "big", Balancer: b, Stats: new(proxy.Stats)}))
	got, err := testutil.GatherAndCount(r, "spillway_endpoint_up", "spillway_endpoint_share_expected")
	if err != nil {
		t.Fatal(err)
	}
	if got != 2*n {
		t.Errorf("%d series, want %d", got, 2*n)
	}
}

func TestScrapesDoNotDisturbTrafficAndChanges(t *testing.T) {
	s := web(t)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collectorOf(s))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 500 {
			lease, err := s.Balancer.Pick(context.Background(), lb.Request{})
			if err != nil {
				t.Error(err)
				return
			}
			s.Stats.Codes(lease.Endpoint.Load).Add(200 + i%5)
			lease.Done(lb.Success)
		}
	})
	wg.Go(func() {
		for i := range 100 {
			_ = s.Balancer.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "127.0.0.1:1"}, {ID: fmt.Sprint("b", i)}})
		}
	})
	for range 50 {
		if _, err := r.Gather(); err != nil {
			t.Error(err)
			break
		}
	}
	wg.Wait()
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			endpoints := make([]balance.Endpoint, n)
			for i := range endpoints {
				endpoints[i].Addr = fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
			}
			balancer, err := lb.New(lb.Options{Name: "big", Endpoints: endpoints})
			if err != nil {
				b.Fatal(err)
			}
			r := prometheus.NewRegistry()
			r.MustRegister(collectorOf(metrics.Service{Name: "big", Balancer: balancer, Stats: new(proxy.Stats)}))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
