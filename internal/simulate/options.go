package simulate

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// Options is what Run takes. The zero value of a field is its default, but for
// Service, Arrivals and Duration.
type Options struct {
	// Service is the balancer's. Its clock and seed are the simulation's. Its
	// HealthCheck says how failures are noticed; everybody is healthy at the
	// beginning.
	Service lb.Options
	// Arrivals is the traffic.
	Arrivals Arrivals
	// Start is what the clock shows at the beginning. Default: 2000-01-01 UTC.
	Start time.Time
	// Duration is how long it lasts, up to 31 days. What comes later is left
	// out, and what is under way then is not waited for.
	Duration time.Duration
	// Bucket is the resolution of what the report shows over time. Default: one
	// second, or more for at most 600 buckets.
	Bucket time.Duration

	// ServiceTime is how long an endpoint works on a request. Default: what the
	// arrival took, or else 20 ms.
	ServiceTime ServiceTime
	// ServiceTimes are those of single endpoints or groups, by ID or name; an
	// endpoint's own comes first.
	ServiceTimes map[string]ServiceTime
	// Cores is on how many requests an endpoint works at once; more wait their
	// turn. Default: nobody waits.
	Cores int

	Failures []Failure
	Scales   []Scale

	// Tries is on how many endpoints a request is tried that finds them down.
	// Default: 4, as a proxy does while it cannot connect.
	Tries int
	// Recorded is how many requests each endpoint really had, by ID, to be shown
	// beside those of the simulation.
	Recorded map[string]uint64
	// Seed is of all that is random here.
	Seed uint64
}

// A ServiceTime says how long an endpoint works on a request: always the same,
// or exponentially distributed with that mean.
type ServiceTime struct {
	Mean        time.Duration // 0: no model
	Exponential bool
}

// A Failure is a time in which an endpoint, or all of a group, refuses
// everything. Requests that are under way end as they would have.
type Failure struct {
	Name     string        // of an endpoint or a group
	From, To time.Duration // a To of 0: it does not end
}

// A Scale sets a group's capacity scaler.
type Scale struct {
	Group  string
	Scaler float64
	At     time.Duration
}

const (
	maxDuration        = 31 * 24 * time.Hour
	defaultServiceTime = 20 * time.Millisecond
	defaultTries       = 4
	maxBuckets         = 600
	maxCores           = 1024
)

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Tries == 0 {
		o.Tries = defaultTries
	}
	if o.Bucket == 0 {
		o.Bucket = niceBucket(o.Duration)
	}
	if len(o.Service.Endpoints) > 0 {
		o.Service.Groups = []lb.Group{{Endpoints: o.Service.Endpoints}}
		o.Service.Endpoints = nil
	}
	return o
}

// niceBucket is the shortest length that people count time in of which at most
// maxBuckets make d.
func niceBucket(d time.Duration) time.Duration {
	for _, s := range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600} {
		if b := time.Duration(s) * time.Second; d <= maxBuckets*b {
			return b
		}
	}
	return 2 * time.Hour
}

// Validate reports everything that Run would refuse o for, but for what is wrong
// with the Service.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Arrivals == nil {
		bad("no arrivals")
	}
	if o.Duration <= 0 || o.Duration > maxDuration {
		bad("duration %v: want above 0, up to %v", o.Duration, maxDuration)
	}
	if o.Bucket < time.Millisecond || o.Duration/o.Bucket > 100*maxBuckets {
		bad("bucket %v: want at least 1ms, and no more than %d buckets", o.Bucket, 100*maxBuckets)
	}
	if o.Cores < 0 || o.Cores > maxCores {
		bad("%d cores: want 0 to %d", o.Cores, maxCores)
	}
	names := o.names()
	known := func(name string) {
		if !slices.Contains(names, name) {
			bad("there is no endpoint or group %q; there are %s", name, some(names))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.ServiceTimes)) {
		known(name)
		if t := o.ServiceTimes[name]; t.Mean < 0 {
			bad("service time %v of %q is negative", t.Mean, name)
		}
	}
	if o.ServiceTime.Mean < 0 {
		bad("service time %v is negative", o.ServiceTime.Mean)
	}
	for _, f := range o.Failures {
		known(f.Name)
		if f.From < 0 || f.To != 0 && f.To <= f.From {
			bad("failure of %q from %v to %v: want an end after its beginning", f.Name, f.From, f.To)
		}
	}
	for _, s := range o.Scales {
		if !slices.ContainsFunc(o.Service.Groups, func(g lb.Group) bool { return g.Name == s.Group }) {
			bad("there is no group %q; there are %s", s.Group, some(o.groupNames()))
		}
		if s.At < 0 || math.IsNaN(s.Scaler) || s.Scaler < 0 || s.Scaler > 1 || s.Scaler > 0 && s.Scaler < 0.1 {
			bad("scaler %v of %q at %v: want 0, or 0.1 to 1, at a time from 0", s.Scaler, s.Group, s.At)
		}
	}
	return errors.Join(errs...)
}

// names lists everybody that a flag may mean.
func (o *Options) names() []string {
	names := o.groupNames()
	for _, g := range o.Service.Groups {
		for _, list := range append([][]balance.Endpoint{g.Endpoints}, g.Reserves...) {
			for i := range list {
				names = append(names, idOf(&list[i]))
			}
		}
	}
	return names
}

func (o *Options) groupNames() []string {
	var names []string
	for _, g := range o.Service.Groups {
		if g.Name != "" {
			names = append(names, g.Name)
		}
	}
	return names
}

// idOf is an endpoint's ID as package lb fills it in.
func idOf(e *balance.Endpoint) string {
	if e.ID != "" {
		return e.ID
	}
	return e.Addr
}

// some lists names, but not a thousand.
func some(names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
