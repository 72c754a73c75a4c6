package metrics

import (
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A Source says where the numbers are. Its functions are called on every
// scrape, from the scraper's goroutine; they must be safe beside a reload, and
// quick. A nil function has nothing to tell.
type Source struct {
	// Services lists the services of the moment, each name once.
	Services func() []Service
	// Listeners lists the listeners of the moment, each name once.
	Listeners func() []Listener
	// Findings lists the groups whose endpoints come from elsewhere, each name once.
	Findings func() []Finding
	// Reloads counts the reloads that took effect and those that were refused.
	Reloads func() (succeeded, failed uint64)
	// Dropped counts the lines that the log and the access log lost because
	// whoever takes them was too slow.
	Dropped func() (log, access uint64)
	// Version is what build_info says.
	Version string
}

// A Service is one service's live parts.
type Service struct {
	Name     string
	Balancer *lb.Balancer
	Stats    *proxy.Stats // nil: no traffic goes through package proxy
}

// A Listener is a listener and its client connections, or UDP sessions, now.
type Listener struct {
	Name        string
	Connections int64
	TCP         *proxy.TCPCounters    // nil but for TCP and SSL
	UDPDrops    *proxy.UDPDrops       // nil but for UDP
	TLS         *TLS                  // nil: its clients speak none
	Headers     *proxy.HeaderCounters // nil where no PROXY header is expected
}

// A Collector reads a Source when it is scraped. It may be scraped by several
// goroutines at once.
type Collector struct {
	source Source
}

// NewCollector returns a collector of s.
func NewCollector(s Source) *Collector { return &Collector{source: s} }

// NewRegistry returns a registry with a collector of s and those of the Go
// runtime and the process.
func NewRegistry(s Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		NewCollector(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range all {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := sink(out)
	if c.source.Services != nil {
		for _, service := range c.source.Services() {
			s.service(service)
		}
	}
	if c.source.Listeners != nil {
		for _, l := range c.source.Listeners() {
			s.gauge(connections, float64(l.Connections), l.Name)
			s.headers(l)
			s.tcp(l)
			s.drops(l)
			if l.TLS != nil {
				s.tls(l.Name, l.TLS)
			}
		}
	}
	if c.source.Findings != nil {
		for _, f := range c.source.Findings() {
			s.finding(f)
		}
	}
	if c.source.Reloads != nil {
		succeeded, failed := c.source.Reloads()
		s.counter(reloads, succeeded, "success")
		s.counter(reloads, failed, "failure")
	}
	if c.source.Dropped != nil {
		log, access := c.source.Dropped()
		s.counter(logDropped, log)
		s.counter(accessLogDropped, access)
	}
	s.gauge(buildInfo, 1, c.source.Version, runtime.Version())
}

// A sink takes the metrics of one scrape.
type sink chan<- prometheus.Metric

func (s sink) service(v Service) {
	status := v.Balancer.Status()
	s.counter(healthChecks, status.ChecksPassed, v.Name, "success")
	s.counter(healthChecks, status.ChecksFailed, v.Name, "failure")
	if slices.ContainsFunc(status.Groups, func(g lb.GroupStatus) bool { return g.Backup }) {
		s.gauge(failoverActive, float64(status.Pool), v.Name) // Primaries is 0, Backups 1
	}
	for _, g := range status.Groups {
		for i := range g.Endpoints {
			s.endpoint(v.Name, g.Name, &g.Endpoints[i])
		}
	}
	for _, r := range status.Removed {
		s.gauge(removedActive, float64(r.Active), v.Name, r.Group, r.ID)
	}
	s.capacity(v.Name, &status)
	s.panics(v.Name, &status)
	s.displaced(v.Name, &status)
	s.queue(v.Name, status.Queue, v.Stats)
	if v.Stats == nil {
		return
	}
	s.codes(v, &status)
	s.traffic(v.Name, v.Stats)
}

func (s sink) endpoint(service, group string, e *lb.EndpointStatus) {
	up := 0.0
	if e.Health == health.Healthy {
		up = 1
	}
	s.gauge(endpointUp, up, service, group, e.ID)
	s.gauge(endpointActive, float64(e.Active), service, group, e.ID)
	s.gauge(shareExpected, e.ShareExpected, service, group, e.ID)
	s.gauge(shareActual, e.ShareActual, service, group, e.ID)
	s.outlier(service, group, e)
}

// codes sends the status codes of a service's endpoints, and of the answers
// that Spillway made itself.
func (s sink) codes(v Service, status *lb.Status) {
	s.codesOf(v, nil, "", "")
	candidates := v.Balancer.Snapshot().Candidates
	loads := make(map[string]*balance.Load, len(candidates))
	for _, c := range candidates {
		loads[c.ID] = c.Load
	}
	for _, g := range status.Groups {
		for _, e := range g.Endpoints {
			// Without a request there is no code, and Stats need not make room
			// for one. Without a Load it left between Status and Snapshot.
			if load := loads[e.ID]; load != nil && e.Requests > 0 {
				s.codesOf(v, load, g.Name, e.ID)
			}
		}
	}
}

func (s sink) codesOf(v Service, load *balance.Load, group, endpoint string) {
	v.Stats.EachCode(load, func(code int, n uint64) {
		s.counter(requests, n, v.Name, group, endpoint, strconv.Itoa(code))
	})
}

// traffic sends the counters that a service has as a whole.
func (s sink) traffic(service string, stats *proxy.Stats) {
	s.histogram(duration, &stats.Duration, service)
	for i, reason := range proxy.AttemptReasons {
		s.counter(attempts, stats.Attempts[i].Load(), service, reason)
		if r := proxy.AttemptReason(i); r != proxy.AttemptOK && r != proxy.AttemptClientGone { // the end of the matter
			s.counter(retries, stats.Retries[i].Load(), service, reason)
		}
	}
	s.counter(retriesOverBudget, stats.RetriesOverBudget.Load(), service)
	s.counter(loops, stats.Loops.Load(), service)
	s.counter(affinity, stats.AffinityHit.Load(), service, "keyed")
	s.counter(affinity, stats.AffinityMiss.Load(), service, "unkeyed")
	for i, result := range proxy.CookieResults {
		s.counter(affinity, stats.Cookies[i].Load(), service, result)
	}
	for c, cause := range proxy.CutCauses {
		if proxy.CutCause(c) != proxy.NotCut {
			s.counter(connectionsCut, stats.Cuts[c].Load(), service, cause)
		}
	}
	s.loadReports(service, stats)
	for i, reason := range proxy.SourceFallbacks {
		s.counter(sourceFallbacks, stats.SourceFallbacks[i].Load(), service, reason)
	}
	for d, direction := range proxy.Directions {
		s.counter(udpDatagrams, stats.UDP.Datagrams[d].Load(), service, direction)
		s.counter(udpBytes, stats.UDP.Bytes[d].Load(), service, direction)
		for p, path := range proxy.Paths {
			s.counter(tcpBytes, stats.TCPBytes[d][p].Load(), service, direction, path.Path, path.Reason)
		}
	}
}

// drops sends what a listener for datagrams did not pass on.
func (s sink) drops(l Listener) {
	if l.UDPDrops == nil {
		return
	}
	for i, reason := range proxy.UDPDropReasons {
		s.counter(udpDropped, l.UDPDrops[i].Load(), l.Name, reason)
	}
}

func (s sink) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s.send(d, prometheus.CounterValue, float64(v), labels)
}

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.GaugeValue, v, labels)
}

// send reports a label that is not UTF-8 as an error of the scrape, where
// MustNewConstMetric would panic.
func (s sink) send(d *prometheus.Desc, t prometheus.ValueType, v float64, labels []string) {
	m, err := prometheus.NewConstMetric(d, t, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s <- m
}

func (s sink) histogram(d *prometheus.Desc, h *proxy.Histogram, labels ...string) {
	count, sum, cumulative := h.Read()
	buckets := make(map[float64]uint64, len(cumulative))
	for i, n := range cumulative {
		buckets[proxy.Bounds[i]] = n
	}
	m, err := prometheus.NewConstHistogram(d, count, sum, buckets, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s <- m
}

// tcp sends what became of connections that were not passed on, or were silent.
func (s sink) tcp(l Listener) {
	if l.TCP == nil {
		return
	}
	s.counter(tcpRefused, l.TCP.Refused.Load(), l.Name, "no_endpoint")
	s.counter(tcpRefused, l.TCP.Unrouted.Load(), l.Name, "no_route")
	s.counter(tcpIdleTimeouts, l.TCP.IdleTimeouts.Load(), l.Name)
}

// headers sends what became of connections that were to have a PROXY header.
func (s sink) headers(l Listener) {
	if l.Headers == nil {
		return
	}
	for i, result := range proxy.HeaderResults {
		s.counter(proxyHeaders, l.Headers[i].Load(), l.Name, result)
	}
}
