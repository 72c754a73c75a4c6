package lb

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	multierror "github.com/hashicorp/go-multierror"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// Options is what New and SetOptions take. The zero value of each field is its
// default.
type Options struct {
	// Name is the service's name, for logs.
	Name string
	// Policy chooses among the candidates. Default: balance.RoundRobin().
	Policy balance.Policy
	// Groups are the wanted endpoints, group by group. An endpoint's ID must be
	// unique in the service.
	Groups []Group
	// Endpoints is the short form of one unnamed group; not both.
	Endpoints []balance.Endpoint
	// HealthCheck is how Run checks every endpoint. Default: none, and then
	// every endpoint counts as healthy.
	HealthCheck *health.Check
	// Prober makes the checks, for any number of balancers: what several of them check
	// in the same way is checked once. Somebody else runs it. New looks at it,
	// SetOptions does not. Default: one of the balancer's own, which Run runs.
	Prober *health.Prober
	// Panic says what to do when fewer than PanicThreshold percent of the
	// endpoints are healthy. Default: PanicClosed.
	Panic PanicMode
	// PanicThreshold is a percentage from 0 to 100. 0 means: only when nobody
	// is healthy.
	PanicThreshold int
	// Failover is the policy of a service with backup groups, and takes the place
	// of Panic. Default: none; then backups take over when no primary is healthy,
	// and Panic decides what happens when no backup is either.
	Failover *Failover
	// ZonalAffinity keeps traffic in one zone. Default: disabled.
	ZonalAffinity ZonalAffinity
	// ReportedWeights makes the weights count that endpoints report in their
	// replies to health checks of an HTTP type, in place of those of Endpoints
	// (spec.md §4.7). For balance.WeightedMaglev. Default: no.
	ReportedWeights bool
	// Subsetting uses a part of each group only. Default: nil, all of it.
	Subsetting *Subsetting
	// Kind says what the service carries, and so which capacities its groups may
	// have. Default: any.
	Kind capacity.Kind
	// LoadWeights makes the weights count that follow from what endpoints report of
	// their load, see Report, in place of those of Endpoints (spec.md §4.9): among
	// those that may be picked, where two have one. For balance.WeightedRoundRobin.
	// Default: nil, they do not.
	LoadWeights *health.LoadWeighting
	// Outlier ejects endpoints that fail more than others do: they count as ill for a
	// while, where endpoints are counted and where they are chosen. Where the Policy is
	// exact nobody is ejected, since nobody could stand in. Default: nil, traffic is no
	// evidence.
	Outlier *health.Outlier
	// SlowStart lets endpoints warm up. Default: nil, they do not.
	SlowStart *SlowStart
	// CircuitBreakers bound what the service asks of its endpoints at once, and let
	// who comes when all is taken wait. Default: nil, no limit but the endpoints' own,
	// and nobody waits.
	CircuitBreakers *CircuitBreakers
	// Service says how traffic is spread over groups that have a Capacity.
	Service capacity.ServicePolicy
	// Here is where the balancer is. Default: not known, and then no zone or region
	// is nearer than another but by Zones.
	Here capacity.Place
	// Zones says how far zones are. How far one is that is not listed is measured,
	// see Connected. The balancer's own is the nearest in any case.
	Zones []capacity.Zone
	// Now is the clock, and Seed makes turns among groups repeatable. New looks at
	// them, SetOptions does not. Default: time.Now, and at random.
	Now  func() time.Time
	Seed uint64
	// ReportExpiration is how old a load report may be that counts for a group's
	// capacity. Default: three minutes.
	ReportExpiration time.Duration
	// MoveSessions makes a drain, the operator's or that of a group, move those who are
	// bound to an endpoint, see Request.Sticky. Default: no, they stay.
	MoveSessions bool
	// Log gets a line for every change of health. Default: none.
	Log *slog.Logger
}

// A Group is endpoints in one zone.
type Group struct {
	// Name is how the group is called in Status; "" for the only group.
	Name string
	// Region and Zone say where the group is.
	Region, Zone string
	// Backup makes it one of the groups that take over when too few of the others
	// are healthy (backends[].failover in the API). At least one group is none.
	Backup bool
	// Capacity is how much of the service's traffic the group can take. Either
	// every group has a Mode or none has.
	Capacity capacity.Backend
	// NamedPorts are the group's ports by name, for a HealthCheck with USE_NAMED_PORT.
	NamedPorts map[string]int
	// Endpoints may be in any order: it never matters.
	Endpoints []balance.Endpoint
	// Reserves are endpoints of the group that are used while nobody before them is
	// well: the first ones while none of Endpoints is, and so on (the priorities of
	// RFC 2782).
	Reserves [][]balance.Endpoint
}

// Admin is the operator's word on an endpoint. It is an axis of its own: health
// changes nothing about it.
type Admin uint8

const (
	// Ready takes traffic when healthy. It is the default.
	Ready Admin = iota
	// Drain takes nobody new and keeps who is there: sticky requests still
	// reach the endpoint, unless Options.MoveSessions says otherwise.
	Drain
	// Down takes nobody, sticky or not.
	Down
)

// String gives the admin API's spelling: "READY", "DRAIN", "DOWN".
func (a Admin) String() string {
	switch a {
	case Drain:
		return "DRAIN"
	case Down:
		return "DOWN"
	default:
		return "READY"
	}
}

// ParseAdmin reads what String writes, in any case.
func ParseAdmin(s string) (Admin, error) {
	for _, a := range []Admin{Ready, Drain, Down} {
		if strings.EqualFold(s, a.String()) {
			return a, nil
		}
	}
	return Ready, fmt.Errorf("lb: admin state %q: want READY, DRAIN or DOWN", s)
}

// Errors that Pick returns, as they are or wrapped.
var (
	// ErrNoEndpoint: nobody may be picked. All are unhealthy, drained, avoided
	// or there is none.
	ErrNoEndpoint = errors.New("lb: no endpoint")
	// ErrShed: somebody may be picked, but in this panic not for every request, see
	// PanicShed. It is a kind of ErrNoEndpoint.
	ErrShed = fmt.Errorf("%w for this request: too few are healthy for all of them", ErrNoEndpoint)
	// ErrSaturated: somebody may be picked, but all of them hold as many leases
	// as their Max allows.
	ErrSaturated = errors.New("lb: all endpoints are at their maximum")
	// ErrClosed: Run has returned.
	ErrClosed = errors.New("lb: balancer is closed")
)

// Validate reports everything that New and SetOptions would refuse o for.
func (o Options) Validate() error {
	_, err := o.withDefaults()
	return err
}

// withDefaults returns o with every default filled in, and the endpoints as
// groups.
func (o Options) withDefaults() (Options, error) {
	errs := problems()
	if o.Policy == nil {
		o.Policy = balance.RoundRobin()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ReportExpiration == 0 {
		o.ReportExpiration = defaultReportExpiration
	}
	if o.ReportExpiration < 0 {
		errs = multierror.Append(errs, fmt.Errorf("lb: report expiration %v is negative", o.ReportExpiration))
	}
	if o.PanicThreshold < 0 || o.PanicThreshold > 100 {
		errs = multierror.Append(errs, fmt.Errorf("lb: panic threshold %d: want 0 to 100", o.PanicThreshold))
	}
	if o.HealthCheck != nil {
		check := o.HealthCheck.WithDefaults()
		o.HealthCheck = &check
		if err := check.Validate(); err != nil {
			errs = multierror.Append(errs, err)
		}
	}
	errs = o.checkPorts(errs)
	if o.Outlier != nil {
		outlier := o.Outlier.WithDefaults()
		o.Outlier = &outlier
		if err := outlier.Validate(); err != nil {
			errs = multierror.Append(errs, err)
		}
	}
	errs = o.checkPools(errs)
	errs = o.checkCapacity(errs)
	o.Subsetting, errs = o.Subsetting.withDefaults(errs)
	errs = o.checkLoadWeights(errs)
	o.SlowStart, errs = o.SlowStart.withDefaults(errs)
	o.CircuitBreakers, errs = o.CircuitBreakers.withDefaults(errs)
	if len(o.Endpoints) > 0 && len(o.Groups) > 0 {
		errs = multierror.Append(errs, errors.New("lb: options have both Endpoints and Groups; want one of them"))
	}
	if len(o.Endpoints) > 0 {
		o.Groups = []Group{{Endpoints: o.Endpoints}}
		o.Endpoints = nil
	}
	groups, err := normalize(o.Groups)
	if err != nil {
		errs = multierror.Append(errs, err)
	}
	o.Groups = groups
	return o, errs.ErrorOrNil()
}

// checkPorts appends the groups of which nobody knows at which port they are checked.
func (o *Options) checkPorts(errs *multierror.Error) *multierror.Error {
	if o.HealthCheck == nil {
		return errs
	}
	named := []Group{{}}
	if len(o.Endpoints) == 0 {
		named = o.Groups
	}
	for _, g := range named {
		if _, err := o.HealthCheck.ResolvePort(g.NamedPorts); err != nil {
			errs = multierror.Append(errs, fmt.Errorf("lb: group %q: %w", g.Name, err))
		}
	}
	return errs
}

// checkPools appends what is wrong with failover and zonal affinity.
func (o *Options) checkPools(errs *multierror.Error) *multierror.Error {
	bad := func(format string, args ...any) { errs = multierror.Append(errs, fmt.Errorf("lb: "+format, args...)) }
	if len(o.Groups) > 0 && !slices.ContainsFunc(o.Groups, func(g Group) bool { return !g.Backup }) {
		bad("every group is a backup; at least one must be a primary")
	}
	if f := o.Failover; f != nil && !isPart(f.Ratio) {
		bad("failover ratio %v: want 0 to 1", f.Ratio)
	}
	z := o.ZonalAffinity
	if !isPart(z.Ratio) {
		bad("spillover ratio %v: want 0 to 1", z.Ratio)
	}
	if z.Spillover != ZonalAffinityDisabled && z.Zone == "" {
		bad("zonal affinity needs the proxy's zone")
	}
	return errs
}

// checkCapacity appends what is wrong with capacities and the policy for them.
func (o *Options) checkCapacity(errs *multierror.Error) *multierror.Error {
	backends := make(map[string]capacity.Backend, len(o.Groups))
	for _, g := range o.Groups {
		backends[g.Name] = g.Capacity
	}
	if err := capacity.ValidateService(o.Kind, backends); err != nil {
		errs = multierror.Append(errs, err)
	}
	if err := o.Service.Validate(o.Here); err != nil {
		errs = multierror.Append(errs, err)
	}
	return errs
}

// isPart reports whether x is from 0 to 1; NaN is not.
func isPart(x float64) bool { return x >= 0 && x <= 1 }

// rules returns what decides who may be picked.
func (o *Options) rules() rules {
	r := rules{panic: o.Panic, threshold: o.PanicThreshold, failover: o.Failover, zonal: o.ZonalAffinity, reports: o.takesReports()}
	r.loads, r.byGroup, r.slow = o.LoadWeights != nil, o.hasCapacity(), o.SlowStart
	if o.Subsetting != nil {
		r.subset = o.Subsetting.Size
	}
	return r
}

// normalize copies groups, fills in IDs, gives everybody weight 1 where nobody
// has a weight, and refuses what cannot be told apart.
func normalize(groups []Group) ([]Group, error) {
	errs := problems()
	out := make([]Group, len(groups))
	weighted := false
	names := make(map[string]bool, len(groups))
	ids := make(map[string]bool)
	for i, g := range groups {
		if names[g.Name] {
			errs = multierror.Append(errs, fmt.Errorf("lb: group %q is listed twice", g.Name))
		}
		names[g.Name] = true
		out[i] = g.clone()
		for j, e := range out[i].all() {
			if e.ID == "" {
				e.ID = e.Addr
			}
			switch {
			case e.ID == "":
				errs = multierror.Append(errs, fmt.Errorf("lb: endpoint %d of group %q has neither ID nor Addr", j, g.Name))
			case ids[e.ID]:
				errs = multierror.Append(errs, fmt.Errorf("lb: endpoint ID %q is used twice", e.ID))
			}
			ids[e.ID] = true
			weighted = weighted || e.Weight > 0
		}
	}
	if !weighted {
		for _, g := range out {
			for _, e := range g.all() {
				e.Weight = 1
			}
		}
	}
	return out, errs.ErrorOrNil()
}

// problems gathers errors that are shown one on each line, as errors.Join has
// it and logs like it.
func problems() *multierror.Error {
	return &multierror.Error{ErrorFormat: func(errs []error) string { return errors.Join(errs...).Error() }}
}
