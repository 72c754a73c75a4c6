package lb

import (
	"errors"
	"fmt"
	"time"

	multierror "github.com/hashicorp/go-multierror"
)

// CircuitBreakers bound what a service asks of its endpoints at once, and let who
// comes when all is taken wait (spec.md §10.3). They are of one Balancer, and so of
// one process: two proxies with a limit of 100 ask 200 of the endpoints.
//
// Check and take are one step, so that no limit is ever exceeded, whoever else
// takes. Leases that were taken while the service had no circuit breakers are not
// counted.
type CircuitBreakers struct {
	// MaxConnections is the largest number of leases held at once; who comes beyond
	// may wait, see Wait and Enqueue. 0: no limit.
	MaxConnections int64
	// MaxRequests is the same, but who comes beyond is refused at once. 0: no limit.
	MaxRequests int64
	// MaxPendingRequests is how many may wait at once, for MaxConnections or for
	// endpoints of which all are at their Max. 0: no limit.
	MaxPendingRequests int64
	// PendingTimeout is how long one may wait. Default: 5 s.
	PendingTimeout time.Duration
}

// DefaultPendingTimeout is how long one may wait for an endpoint.
const DefaultPendingTimeout = 5 * time.Second

// A Limit is something that Pick was refused for, an end of ErrSaturated.
type Limit uint8

// The limits.
const (
	// EndpointsAtMax: each endpoint holds as many leases as its Max allows, or
	// others wait for that already.
	EndpointsAtMax Limit = iota
	// MaxConnections, MaxRequests and MaxPendingRequests are those of CircuitBreakers.
	MaxConnections
	MaxRequests
	MaxPendingRequests
	// PendingTimeout: a wait has taken too long.
	PendingTimeout
	limits
)

// Limits names the limits as metrics, logs and errors do, by their keys in the file.
var Limits = [limits]string{"max", "max_connections", "max_requests", "max_pending_requests", "pending_timeout"}

// String gives the limit's name.
func (l Limit) String() string { return Limits[l] }

// A SaturatedError is an ErrSaturated that says which of a service's circuit
// breakers it is.
type SaturatedError struct{ Limit Limit }

// Error implements error.
func (e *SaturatedError) Error() string {
	return "lb: the service's " + e.Limit.String() + " is reached"
}

// Is makes it one of ErrSaturated.
func (e *SaturatedError) Is(target error) bool { return target == ErrSaturated }

// The errors are made once: to be refused costs no memory.
var (
	errConnections = &SaturatedError{MaxConnections}
	errRequests    = &SaturatedError{MaxRequests}
	errPending     = &SaturatedError{MaxPendingRequests}
	errWaited      = &SaturatedError{PendingTimeout}
)

// LimitOf says which limit err, an ErrSaturated, is about.
func LimitOf(err error) Limit {
	var e *SaturatedError
	if errors.As(err, &e) {
		return e.Limit
	}
	return EndpointsAtMax
}

// CanWait reports whether who was refused with err may Enqueue: for all that an
// ErrSaturated stands for but MaxRequests, beyond which nobody waits.
func CanWait(err error) bool {
	return errors.Is(err, ErrSaturated) && LimitOf(err) != MaxRequests
}

// withDefaults returns a copy with the defaults filled in, and appends what is wrong.
func (c *CircuitBreakers) withDefaults(errs *multierror.Error) (*CircuitBreakers, *multierror.Error) {
	if c == nil {
		return nil, errs
	}
	o := *c
	for name, n := range map[string]int64{
		"connections": o.MaxConnections, "requests": o.MaxRequests, "pending requests": o.MaxPendingRequests,
	} {
		if n < 0 {
			errs = multierror.Append(errs, fmt.Errorf("lb: circuit breaker of %d %s: want 0 or more", n, name))
		}
	}
	if o.PendingTimeout < 0 {
		errs = multierror.Append(errs, fmt.Errorf("lb: pending timeout %v is negative", o.PendingTimeout))
	}
	if o.PendingTimeout == 0 {
		o.PendingTimeout = DefaultPendingTimeout
	}
	return &o, errs
}

// most is how many leases may be held at once, and what refuses one that is too
// many; 0: there is no limit.
func (c *CircuitBreakers) most() (int64, error) {
	if c.MaxRequests > 0 && (c.MaxConnections == 0 || c.MaxRequests <= c.MaxConnections) {
		return c.MaxRequests, errRequests
	}
	return c.MaxConnections, errConnections
}
