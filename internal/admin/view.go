package admin

import (
	"maps"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A ServiceStatus is a service as GET /api/v1/services/{name} shows it.
type ServiceStatus struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Policy   string `json:"policy"`
	Affinity string `json:"affinity"`
	// KeepsSessions says that those of STRONG_COOKIE_AFFINITY stay with an endpoint, or
	// a group, that is drained.
	KeepsSessions bool `json:"keeps_sessions,omitempty"`
	// Version rises by one whenever candidates or shares change.
	Version uint64 `json:"version"`
	// ActivePool is PRIMARY, or BACKUP after failover.
	ActivePool string `json:"active_pool"`
	// Weights says which ones count, CONFIGURED or REPORTED. Only with
	// WEIGHTED_MAGLEV and a health check whose replies can report one, and with
	// WEIGHTED_ROUND_ROBIN, where they follow from load reports.
	Weights string        `json:"weights,omitempty"`
	Groups  []GroupStatus `json:"groups"`
	// Spills are of services with capacity, each pair of groups once.
	Spills []Spill `json:"spills,omitempty"`
	// Panic is true while too few endpoints are healthy and the service's panic
	// decides who gets traffic. Panics counts how often that has begun.
	Panic  bool   `json:"panic"`
	Panics uint64 `json:"panics"`
	// PanicSince is when the one that there is began. Sheds is the part of requests,
	// 0 to 1, that it refuses, Shed how many were ever refused so.
	PanicSince *time.Time `json:"panic_since,omitempty"`
	Sheds      float64    `json:"sheds,omitempty"`
	Shed       uint64     `json:"shed,omitempty"`
	// Queue is of a service with circuit breakers.
	Queue *QueueStatus `json:"queue,omitempty"`
	// Removed are endpoints that have left the file and still have traffic.
	Removed []RemovedStatus `json:"removed,omitempty"`
	// Sources and Keys say how recent traffic is spread over client addresses, and
	// over the keys that a hash policy goes by.
	Sources *SpreadStatus `json:"sources,omitempty"`
	Keys    *SpreadStatus `json:"keys,omitempty"`
	// Attempts counts tries on endpoints by how they ended, and SourceFallbacks
	// connections from the proxy's address that were to come from the client's, by
	// the reason.
	Attempts map[string]uint64 `json:"attempts,omitempty"`
	// Overflows counts who was turned away because of a limit, by the limit, and Loops
	// the requests that were refused because they go in circles.
	Overflows map[string]uint64 `json:"overflows,omitempty"`
	Loops     uint64            `json:"loops,omitempty"`
	// AffinityResults counts requests, or connections, of a service with an affinity:
	// keyed and unkeyed; what strong cookies were worth, such as hit and moved; and
	// at_max and group_full, those that went elsewhere for want of room.
	AffinityResults map[string]uint64 `json:"affinity_results,omitempty"`
	SourceFallbacks map[string]uint64 `json:"source_fallbacks,omitempty"`
}

// A RemovedStatus is an endpoint that has left the file, or its address, and still
// has traffic.
type RemovedStatus struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Group   string `json:"group"`
	// Since is when it was removed, Active how many requests or connections it has.
	Since  time.Time `json:"since"`
	Active int64     `json:"active"`
	// Oldest is the age of the first of them, Bytes what they have carried.
	Oldest float64 `json:"oldest_seconds"`
	Bytes  uint64  `json:"bytes"`
	// Until is when what is left is cut; not there: never.
	Until *time.Time `json:"until,omitempty"`
}

// A RetiredStatus is a service that has left the file and still has traffic.
type RetiredStatus struct {
	Name     string          `json:"name"`
	Protocol string          `json:"protocol"`
	Removed  []RemovedStatus `json:"removed"`
}

// A GroupStatus is one group of a ServiceStatus. A service that lists its
// endpoints itself has one with an empty name.
type GroupStatus struct {
	Name   string `json:"name"`
	Region string `json:"region"`
	Zone   string `json:"zone"`
	// Failover is true of a backup.
	Failover bool `json:"failover"`
	// GroupCapacity has keys of the group itself, if it has a balancing mode.
	*GroupCapacity
	// Share is the part of the service's new traffic that it should get now, from 0
	// to 1; ShareActual is what it got in the last ten seconds, or, without a
	// balancing mode, since shares last changed.
	Share       float64          `json:"share"`
	ShareActual float64          `json:"share_actual"`
	Endpoints   []EndpointStatus `json:"endpoints"`
	// Unusable says of each endpoint that the group has found and the service cannot
	// use what is wrong with it.
	Unusable []string `json:"unusable,omitempty"`
}

// An EndpointStatus is one endpoint of a GroupStatus.
type EndpointStatus struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	// Health is UNKNOWN, HEALTHY, UNHEALTHY or TIMEOUT, and Reason says why it
	// is not HEALTHY.
	Health string `json:"health"`
	Reason string `json:"reason"`
	// Checks is of an endpoint that is checked.
	Checks *CheckStatus `json:"checks,omitempty"`
	// Traffic is REFUSED while nothing comes of the traffic that it gets but connect
	// failures, although its checks pass; else empty. TrafficReason says what the last
	// of them was.
	Traffic         string `json:"traffic"`
	TrafficReason   string `json:"traffic_reason,omitempty"`
	ConnectFailures uint64 `json:"connect_failures"`
	GatewayFailures uint64 `json:"gateway_failures"`
	// Warm is 1, or while it warms up the part of its weight that counts.
	Warm float64 `json:"warm"`
	// Admin is the operator's word: READY, DRAIN or DOWN.
	Admin string `json:"admin"`
	// Dropped says why it takes no new traffic: SUBSET, DRAIN, DOWN, GROUP_DRAINED, WEIGHT_0,
	// STANDBY, OTHER_ZONE, PANIC, UNHEALTHY, EJECTED or UNKNOWN. It is empty while it does.
	Dropped string `json:"dropped"`
	// Ejected: outlier detection has taken it out, for EjectedFor, until
	// EjectedUntil. Ejections counts how often it has.
	Ejected      bool       `json:"ejected"`
	EjectedFor   string     `json:"ejected_for,omitempty"`
	EjectedUntil *time.Time `json:"ejected_until,omitempty"`
	Ejections    uint64     `json:"ejections"`
	// SparedFor is the rule by which it should be out, and is not because of
	// SparedBecause, such as max_ejection_percent.
	SparedFor     string `json:"spared_for,omitempty"`
	SparedBecause string `json:"spared_because,omitempty"`
	Weight        uint32 `json:"weight"`
	// ReportedWeight is the last valid one that it reported, and WeightError says
	// what is wrong with its report: INVALID_WEIGHT, MISSING_WEIGHT,
	// UNAVAILABLE_WEIGHT, or WEIGHT_NONE. Only where the service has Weights.
	ReportedWeight *uint32 `json:"reported_weight,omitempty"`
	WeightError    string  `json:"weight_error,omitempty"`
	// LoadWeight is the weight that follows from its load reports: requests per second
	// that it could take. Only where one counts.
	LoadWeight float64 `json:"load_weight,omitempty"`
	// Load is the last report of its load; not there if there is none that counts.
	Load     *LoadReport `json:"load,omitempty"`
	Active   int64       `json:"active"`
	Requests uint64      `json:"requests"`
	Failures uint64      `json:"failures"`
	// Neutral counts those that ended by nobody's fault: the client left.
	Neutral uint64 `json:"neutral"`
	// Connections is what is left on an endpoint that takes nothing new; not there if
	// nothing is.
	Connections *ConnectionsStatus `json:"connections,omitempty"`
	// ShareExpected is the part of new traffic that it should get now, from 0
	// to 1, and ShareActual what it got since shares last changed.
	ShareExpected float64 `json:"share_expected"`
	ShareActual   float64 `json:"share_actual"`
}

// A CheckStatus is what is known of an endpoint's health checks.
type CheckStatus struct {
	// Since is when its health changed last; not there: it never did.
	Since *time.Time `json:"since,omitempty"`
	// Streak counts checks in a row with the same end: positive for successes,
	// negative for failures.
	Streak int `json:"streak"`
	// Last are the last results, the newest at the end.
	Last []CheckResult `json:"last"`
	Next *time.Time    `json:"next,omitempty"`
	// Flaps is how often its health has changed in the last ten minutes.
	Flaps int `json:"flaps"`
}

// A CheckResult is the end of one health check. Took is in seconds.
type CheckResult struct {
	At     time.Time `json:"at"`
	OK     bool      `json:"ok"`
	Reason string    `json:"reason,omitempty"`
	Took   float64   `json:"took"`
}

// The bodies of the API that are more than one of the above.
type (
	servicesBody struct {
		Services []ServiceStatus `json:"services"`
		Retired  []RetiredStatus `json:"retired,omitempty"`
	}
	// An adminBody sets the operator's word. Cut ends at once what is under way to an
	// endpoint that is out by it, or has left the file: of that no word need be said.
	adminBody struct {
		Admin string `json:"admin,omitempty"`
		Cut   bool   `json:"cut,omitempty"`
	}
	upgradeBody struct {
		PID int `json:"pid"`
	}
	reloadBody struct {
		Reloaded bool `json:"reloaded"`
	}
)

func viewService(s *Service) ServiceStatus {
	v := ServiceStatus{
		Name:       s.Status.Name,
		Protocol:   s.Protocol,
		Policy:     s.Policy,
		Affinity:   s.Affinity,
		Version:    s.Status.Version,
		ActivePool: s.Status.Pool.String(),
		Groups:     make([]GroupStatus, len(s.Status.Groups)),
		Spills:     viewSpills(s.Status.Spills),
		Panic:      s.Status.Panic,
		Panics:     s.Status.Panics,
		PanicSince: moment(s.Status.PanicSince),
		Sheds:      s.Status.Sheds,
		Shed:       s.Status.Shed,
		Queue:      viewQueue(s.Status.Queue),
		Sources:    s.Sources,
		Keys:       s.Keys,
		Attempts:   s.Attempts,
		Overflows:  s.Overflows,
		Loops:      s.Loops,

		KeepsSessions:   s.KeepsSessions,
		SourceFallbacks: s.SourceFallbacks,
		AffinityResults: viewAffinity(s),
	}
	if s.Status.TakesReports || s.Status.WeighsLoads {
		v.Weights = "CONFIGURED"
	}
	if s.Status.UsesReports {
		v.Weights = "REPORTED"
	}
	for i := range s.Status.Groups {
		g := &s.Status.Groups[i]
		v.Groups[i] = GroupStatus{
			Name: g.Name, Region: g.Region, Zone: g.Zone, Failover: g.Backup,
			GroupCapacity: viewCapacity(g),
			Endpoints:     make([]EndpointStatus, len(g.Endpoints)),
			Unusable:      s.Unusable[g.Name],
		}
		v.Groups[i].Share, v.Groups[i].ShareActual = shares(g)
		for j := range g.Endpoints {
			v.Groups[i].Endpoints[j] = viewEndpoint(&g.Endpoints[j], s.Status.TakesReports)
		}
	}
	viewHeld(&v, s)
	return v
}

// viewAffinity adds what the balancer counts to what the engines do.
func viewAffinity(s *Service) map[string]uint64 {
	if s.AffinityResults == nil {
		return nil
	}
	all := maps.Clone(s.AffinityResults)
	all["at_max"], all["group_full"] = s.Status.Displaced.AtMax, s.Status.Displaced.GroupFull
	return all
}

func viewEndpoint(e *lb.EndpointStatus, reports bool) EndpointStatus {
	v := EndpointStatus{
		ID:            e.ID,
		Address:       e.Addr,
		Health:        e.Health.String(),
		Reason:        e.Reason,
		Warm:          e.Warm,
		Admin:         e.Admin.String(),
		Dropped:       e.Standing.String(),
		Weight:        e.Weight,
		LoadWeight:    e.LoadWeight,
		Load:          viewLoad(e.Load, e.LoadAge),
		Active:        e.Active,
		Requests:      e.Requests,
		Failures:      e.Failures,
		Neutral:       e.Neutrals,
		ShareExpected: e.ShareExpected,
		ShareActual:   e.ShareActual,
	}
	viewChecks(&v, &e.Checks)
	viewTraffic(&v, e)
	if !reports {
		return v
	}
	v.WeightError = e.WeightError.String()
	if e.Reported.State == health.WeightValid {
		v.ReportedWeight = &e.Reported.Value
	}
	return v
}

// endpoint finds an endpoint of the service by its ID.
func (s *ServiceStatus) endpoint(id string) (EndpointStatus, bool) {
	for _, g := range s.Groups {
		for _, e := range g.Endpoints {
			if e.ID == id {
				return e, true
			}
		}
	}
	return EndpointStatus{}, false
}
