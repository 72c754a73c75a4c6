package lb

import (
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// Status is what Spillway knows of a service at one moment, for people and for
// the admin API.
type Status struct {
	Name    string
	Version uint64
	Groups  []GroupStatus
	// Pool is the active one of primaries and backups.
	Pool Pool
	// TakesReports: endpoints may report their weights. WeighsLoads: weights may
	// follow from their load reports. UsesReports: they do, one or the other, so that
	// these count and not the configured ones.
	TakesReports, WeighsLoads, UsesReports bool
	// Spills counts the requests or connections that went to another tier than the
	// one where they began, because that was full.
	Spills []Spill
	// Displaced counts what affinity could not keep for want of room.
	Displaced Displacement
	// Queue is what circuit breakers have come to; nil: there are none.
	Queue *QueueStatus
	// ChecksPassed and ChecksFailed count health checks since New.
	ChecksPassed, ChecksFailed uint64
	// Panic is true while too few endpoints are healthy and Options.Panic decides
	// who is picked; Panics counts how often that has begun since New.
	Panic  bool
	Panics uint64
	// PanicSince is when the one that there is began; zero: there is none.
	PanicSince time.Time
	// Sheds is the part of the requests, 0 to 1, that a panic of PanicShed refuses
	// now, and Shed counts those that were, since New.
	Sheds float64
	Shed  uint64
	// Removed are the endpoints that are no longer wanted and still hold leases, by
	// ID. One that is wanted at another address is not removed.
	Removed []RemovedStatus
}

// RemovedStatus is an endpoint that was removed and still has traffic.
type RemovedStatus struct {
	ID, Addr, Group string
	Since           time.Time // when it was removed
	Active          int64     // leases held now
	Load            *balance.Load
}

// A Spill counts what went from one full group to another.
type Spill struct {
	From, To string
	Count    uint64
}

// GroupStatus is one group's part of Status.
type GroupStatus struct {
	Name, Region, Zone string
	Backup             bool // it is a backup, not a primary
	Endpoints          []EndpointStatus

	// What follows is of groups with a Mode.

	Mode capacity.Mode
	// Target is the group's whole target in the unit of its mode (requests per
	// second, connections, requests under way); with a mode that goes by reports it
	// is what is known of it, in requests or connections per second, and 0 while
	// nothing is. Capacity is Target times Scaler, and 0 while Drained.
	Target, Scaler, Capacity float64
	// Drained: it was drained automatically, or its scaler is 0.
	Drained bool
	// Usage is what is used of Capacity now, a rate as the mean of up to ten
	// seconds. Fullness is the highest of usage ÷ target; 0 while Capacity is, but 1
	// of a group that is always full.
	Usage, Fullness float64
	// Metrics are what its Mode goes by, dry runs too, in the order of its Capacity:
	// those of which there are reports. Not to be modified.
	Metrics []MetricStatus
	// Share is the part of the service's new traffic that it should get at the
	// present demand, ShareActual what it got in the last ten seconds.
	Share, ShareActual float64
	// Tier says when it is filled, from 0; negative: never.
	Tier int
	// RTT is how far its zone is; negative: not known.
	RTT time.Duration
}

// MetricStatus is a metric of a group, as of the last Sweep.
type MetricStatus struct {
	Name string
	// Utilization is the mean over the endpoints that report it; 1 is all there is.
	Utilization float64
}

// EndpointStatus is one endpoint's part of Status.
type EndpointStatus struct {
	ID, Addr string
	Health   health.Status
	Reason   string // of the last failure, while it is not healthy
	Checks   CheckStatus
	Traffic  TrafficStatus
	Ejection EjectionStatus
	// Warm is 1, or while it warms up the part of its weight that counts.
	Warm     float64
	Admin    Admin
	Standing Standing // whether it takes new traffic, else why not
	Weight   uint32   // configured
	// Reported is the last valid weight that it reported itself; its State is
	// health.WeightNone if there is none. WeightError says what is wrong with its
	// report. Both mean something where Status.TakesReports.
	Reported    health.Weight
	WeightError WeightError
	// LoadWeight is the weight that follows from its load reports, requests per second
	// that it could take; 0: none that counts. Only with Options.LoadWeights.
	LoadWeight float64
	// Load is the last report of the endpoint's load, LoadAge how old it is; nil:
	// there is none that still counts, see Options.ReportExpiration.
	Load     *health.LoadReport
	LoadAge  time.Duration
	Active   int64  // leases held now
	Requests uint64 // leases ever taken
	Failures uint64 // leases that ended with Failure
	Neutrals uint64 // leases that ended with Neutral
	// ShareExpected is the part of new traffic that it should get now, from 0
	// to 1. ShareActual is the part that it got since shares last changed, so
	// the two can be compared; 0 while there was no traffic at all.
	ShareExpected, ShareActual float64
}

// State is what the API calls an endpoint's health state: DRAINING as long as the
// operator has it drained or down, or its group's scaler is 0, else its health (spec.md
// §8.3).
func (e *EndpointStatus) State() health.Status {
	if e.Admin != Ready || e.Standing == GroupDrained {
		return health.Draining
	}
	return e.Health
}

// Status returns the truth as it is now.
func (b *Balancer) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status(b.snapshot.Load())
}

// status is of the newest snapshot. Caller holds b.mu.
func (b *Balancer) status(snap *Snapshot) Status {
	st := Status{
		Name:         b.state.opt.Name,
		Version:      snap.Version,
		Pool:         snap.Pool,
		Queue:        b.Queue(),
		TakesReports: b.state.opt.takesReports(),
		UsesReports:  snap.reported,
		WeighsLoads:  b.state.opt.LoadWeights != nil,
		ChecksPassed: b.checks[0].Load(),
		ChecksFailed: b.checks[1].Load(),
		Panic:        snap.panic,
		Panics:       b.state.panics,
		PanicSince:   b.state.panicSince,
		Displaced:    b.flow.displaced.read(),
		Sheds:        snap.shedding.refused(),
		Shed:         b.flow.shed.Load(),
		Groups:       make([]GroupStatus, len(b.state.opt.Groups)),
		Removed:      b.state.removed(),
	}
	got, total := b.state.picksSince(snap)
	for g, group := range b.state.opt.Groups {
		st.Groups[g] = GroupStatus{Name: group.Name, Region: group.Region, Zone: group.Zone, Backup: group.Backup}
	}
	if snap.plan != nil {
		b.state.describe(snap.plan, b.flow.clock(), &st)
	}
	now := b.flow.clock()
	for i, m := range b.state.members {
		es := m.status()
		es.Warm = m.warmth(b.state.opt.SlowStart)
		if was := b.state.sparedNow(m, now); was.at != 0 {
			es.Ejection.Spared, es.Ejection.SparedBecause = was.why.String(), was.because
		}
		if r, age, ok := m.live.report(now, b.state.opt.ReportExpiration); ok {
			es.Load, es.LoadAge = &r, age
		}
		if len(snap.Candidates) > 0 {
			es.ShareExpected = snap.share(i, st.Groups)
			es.Standing = snap.states[i].Standing
			if es.Standing == InUse && snap.plan.idle(m.group) {
				es.Standing = GroupDrained
			}
		}
		if total > 0 {
			es.ShareActual = float64(got[i]) / float64(total)
		}
		g := &st.Groups[m.group]
		g.Endpoints = append(g.Endpoints, es)
	}
	return st
}

// picksSince counts the leases that each member has got since snap's shares
// took effect, and their sum.
func (s *state) picksSince(snap *Snapshot) (got []uint64, total uint64) {
	got = make([]uint64, len(s.members))
	if len(snap.since) != len(got) {
		return got, 0 // closed
	}
	for i, m := range s.members {
		got[i] = m.endpoint.Load.Started() - snap.since[i]
		total += got[i]
	}
	return got, total
}

func (m *member) status() EndpointStatus {
	return EndpointStatus{
		Reported:    m.report.valid,
		WeightError: m.weightError(),
		LoadWeight:  m.loaded.counts,

		ID:       m.endpoint.ID,
		Addr:     m.endpoint.Addr,
		Health:   m.health,
		Checks:   m.checks(),
		Reason:   m.reason,
		Admin:    m.admin,
		Weight:   m.endpoint.Weight,
		Requests: m.endpoint.Load.Started(), // before Active: none looks as if it had ended that has not
		Active:   m.endpoint.Load.Active(),
		Failures: m.endpoint.Load.Failed(),
		Neutrals: m.endpoint.Load.Neutrals(),
		Traffic:  m.traffic(),
		Ejection: EjectionStatus{
			Ejected:  m.suspect.Ejected,
			Reason:   m.suspect.Reason.String(),
			Until:    m.suspect.Until,
			Times:    m.suspect.Times,
			ByReason: m.suspect.ByReason,
		},
	}
}

// CheckStatus is what is known of an endpoint's health checks. The zero value is of
// one that is not checked, or not yet.
type CheckStatus struct {
	Done   uint64    // checks that have come to an end
	Since  time.Time // when its health changed last; zero: it never did
	Streak int       // checks in a row with the same end: positive for successes, negative for failures
	Next   time.Time // when the next one starts
	Flaps  int       // how often its health has changed in the last ten minutes

	probe *health.Probe
}

// Last returns the last checks, five at most, the newest at the end, as they are
// known now: thousands of endpoints have too many of them for every Status.
func (c *CheckStatus) Last() []health.Past {
	if c.probe == nil {
		return nil
	}
	return c.probe.Last()
}

// TrafficStatus is what traffic says of an endpoint, whatever its checks say.
type TrafficStatus struct {
	// ConnectFailures counts the leases that ended with ConnectFailure,
	// GatewayFailures those with GatewayFailure.
	ConnectFailures, GatewayFailures uint64
	// Refuses: its checks pass, and nothing but connect failures has come of the
	// traffic it got of late.
	Refuses bool
	// Reason is what the last of them was.
	Reason string
}

// EjectionStatus says whether an endpoint is out because of what its traffic came
// to (spec.md §10.4).
type EjectionStatus struct {
	Ejected bool
	Reason  string    // CONSECUTIVE_ERRORS, CONSECUTIVE_GATEWAY_FAILURE, SUCCESS_RATE or FAILURE_PERCENTAGE, of the last one
	Until   time.Time // when it is over
	Times   uint64    // since New
	// Spared is the rule by which it should be out now, and is not because of
	// SparedBecause: max_ejection_percent, or because nobody else could serve. Both are
	// empty of an endpoint that no rule finds.
	Spared, SparedBecause string
	// ByReason are the same by reason, in the order of health.OutlierReasons.
	ByReason [len(health.OutlierReasons)]uint64
}
