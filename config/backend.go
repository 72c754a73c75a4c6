package config

// A Backend is a service's use of one group, and how much of the service's
// traffic the group can take. Either every backend of a service has a
// balancing_mode or none has; then no group is ever full.
type Backend struct {
	// The name of the group. Each group once. Required.
	Group string `toml:"group"`
	// In what the group's capacity is measured: RATE, requests per second;
	// IN_FLIGHT, requests under way; CONNECTION, open connections; UTILIZATION, of
	// CPUs, as endpoints report it; or CUSTOM_METRICS, others that they report.
	// HTTP takes all but CONNECTION; TCP and SSL take CONNECTION and UTILIZATION;
	// UDP takes CONNECTION, which says nothing there. RATE, UTILIZATION and
	// CUSTOM_METRICS may stand side by side in a service. Default: none, and then
	// the group is never full.
	BalancingMode string `toml:"balancing_mode"`
	// The requests per second that the group can take, which may be a fraction.
	// RATE needs this or max_rate_per_endpoint; UTILIZATION of HTTP and
	// CUSTOM_METRICS may have one beside what is reported: what is full first
	// counts. Default: none.
	MaxRate float64 `toml:"max_rate,omitzero"`
	// The same for each endpoint of the group, be it healthy or not. Also called
	// max_rate_per_instance. Default: none.
	MaxRatePerEndpoint float64 `toml:"max_rate_per_endpoint,omitzero"`
	// The connections that the group can have at once. CONNECTION needs this or
	// max_connections_per_endpoint, but not for UDP; UTILIZATION of TCP may have
	// one. Default: none.
	MaxConnections int64 `toml:"max_connections,omitzero"`
	// The same for each endpoint. Also called max_connections_per_instance.
	// Default: none.
	MaxConnectionsPerEndpoint int64 `toml:"max_connections_per_endpoint,omitzero"`
	// The requests that the group can have at once. IN_FLIGHT needs this or
	// max_in_flight_requests_per_endpoint. Default: none.
	MaxInFlightRequests int64 `toml:"max_in_flight_requests,omitzero"`
	// The same for each endpoint. Also called max_in_flight_requests_per_instance.
	// Default: none.
	MaxInFlightRequestsPerEndpoint int64 `toml:"max_in_flight_requests_per_endpoint,omitzero"`
	// How high the mean of what endpoints report may go, 0 to 1; with 0 the group is
	// always full, and gets what nobody else is there for. UTILIZATION only.
	// Default: 0.8, unless there is another target.
	MaxUtilization *float64 `toml:"max_utilization"`
	// The metrics of CUSTOM_METRICS, of which the fullest counts. At least one is
	// not a dry run. Default: none.
	CustomMetrics []BackendMetric `toml:"custom_metrics"`
	// The part of the target that is to be used, 0.1 to 1; or 0, which drains the
	// group: it gets nothing new. At least one backend has another than 0. Needs a
	// balancing_mode, and not UDP. Default: 1.
	CapacityScaler *float64 `toml:"capacity_scaler"`
	// PREFERRED groups are filled before all others, the nearest first; DEFAULT
	// ones as service_lb_policy says. Needs a balancing_mode, and not UDP.
	// Default: DEFAULT.
	Preference string `toml:"preference"`
	// Whether the group is a backup, which gets traffic when too few of the
	// others, the primaries, are healthy. At least one is a primary.
	// Default: `false`.
	Failover bool `toml:"failover"`
}

// A BackendMetric is a metric that endpoints report, and how high it may go: it
// chooses the group.
type BackendMetric struct {
	// orca.cpu_utilization, orca.mem_utilization, orca.application_utilization, or
	// orca.named_metrics.NAME; at most 64 bytes, of which NAME has lower-case
	// letters, digits, "-", "_" and ".". Required.
	Name string `toml:"name"`
	// How high the mean of what endpoints report may go, 0 to 1, as that of the
	// backend. Default: `0.8`.
	MaxUtilization float64 `toml:"max_utilization"`
	// Whether the metric is only shown, and does not count. Default: `false`.
	DryRun bool `toml:"dry_run"`
}

// A CustomMetric is a metric that endpoints report: it chooses the endpoint
// inside a group.
type CustomMetric struct {
	// As that of a backend's metric. Required.
	Name string `toml:"name"`
	// Whether the metric is only shown, and does not count. At least one is not a
	// dry run. Default: `false`.
	DryRun bool `toml:"dry_run"`
}

// ServiceLBPolicy says how traffic is spread over groups that have a
// balancing_mode.
type ServiceLBPolicy struct {
	// Which groups are filled first. WATERFALL_BY_REGION: those of the nearest
	// region, in proportion to capacity, but while there is little to do the
	// proxy's own zone before others. SPRAY_TO_REGION: the same without a
	// preference for a zone. WATERFALL_BY_ZONE: those of the nearest zone, then the
	// next. SPRAY_TO_WORLD: all, in proportion to capacity. What the first cannot
	// take goes to the next; when all are full, all get more in proportion.
	// Default: `WATERFALL_BY_REGION`.
	LoadBalancingAlgorithm string `toml:"load_balancing_algorithm"`
	// Whether a group gets nothing new while less than a quarter of it is healthy,
	// until 35 percent have been for a minute, unless that is half of the groups or
	// more. Default: `false`.
	AutoCapacityDrain bool `toml:"auto_capacity_drain"`
	// The percentage of a group that must be healthy, 1 to 99, for it to get all
	// that it has capacity for; below, a part goes to other groups.
	// Default: `70`.
	FailoverHealthThreshold int `toml:"failover_health_threshold"`
	// Whether traffic stays in a region. Default: it does not.
	IsolationConfig *IsolationConfig `toml:"isolation_config"`
}

// IsolationConfig keeps traffic in a region. Needs the proxy's region.
type IsolationConfig struct {
	// REGION; without it nothing is kept. Default: none.
	IsolationGranularity string `toml:"isolation_granularity"`
	// NEAREST: a region that is full gets more than it has capacity for, and only
	// what its ill endpoints leave undone goes to the next. STRICT: nothing leaves
	// the proxy's region, and is refused where nobody in it may be picked.
	// Default: NEAREST, with a granularity.
	IsolationMode string `toml:"isolation_mode"`
}

// HasCapacity reports whether the service's groups have a target capacity. Those
// of UDP never have.
func (s *Service) HasCapacity() bool {
	if s.Protocol == "UDP" {
		return false
	}
	for i := range s.Backends {
		if s.Backends[i].BalancingMode != "" {
			return true
		}
	}
	return false
}

func (b *BackendMetric) setDefaults() { *b = BackendMetric{MaxUtilization: defaultUtilization} }

func (p *ServiceLBPolicy) setDefaults() {
	*p = ServiceLBPolicy{FailoverHealthThreshold: defaultThreshold}
}

// defaultUtilization is where utilization is full that nobody gave a target
// (spec.md §2.2).
const defaultUtilization = 0.8

const defaultThreshold = 70 // spec.md §3.5

func (l *loader) spellCapacity(path string, s *Service) {
	for i := range s.Backends {
		b, path := &s.Backends[i], at(path+".backend", i)
		l.word(path+".balancing_mode", &b.BalancingMode, modes)
		l.word(path+".preference", &b.Preference, preferences)
	}
	p := s.ServiceLBPolicy
	if p == nil {
		return
	}
	path += ".service_lb_policy"
	l.word(path+".load_balancing_algorithm", &p.LoadBalancingAlgorithm, lbAlgorithms)
	if i := p.IsolationConfig; i != nil {
		l.word(path+".isolation_config.isolation_granularity", &i.IsolationGranularity, granularities)
		l.word(path+".isolation_config.isolation_mode", &i.IsolationMode, isolations)
	}
}

// fillCapacity fills in what has a meaning beside a balancing mode, so that what
// is printed can be read again.
func (l *loader) fillCapacity(path string, s *Service) {
	if s.HasCapacity() && s.ServiceLBPolicy == nil {
		s.ServiceLBPolicy = new(ServiceLBPolicy)
		s.ServiceLBPolicy.setDefaults()
	}
	if p := s.ServiceLBPolicy; p != nil {
		orElse(&p.LoadBalancingAlgorithm, "WATERFALL_BY_REGION")
		if i := p.IsolationConfig; i != nil && i.IsolationGranularity != "" {
			orElse(&i.IsolationMode, "NEAREST")
		}
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		if b.BalancingMode == "" || s.Protocol == "UDP" {
			continue
		}
		orElse(&b.Preference, "DEFAULT")
		if b.CapacityScaler == nil {
			one := 1.0
			b.CapacityScaler = &one
		}
		if path := at(path+".backend", i); b.BalancingMode == "UTILIZATION" && !l.hasTarget(path) {
			most := defaultUtilization
			b.MaxUtilization = &most
		}
	}
}
