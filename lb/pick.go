package lb

import (
	"context"
	"net/netip"

	"github.com/spillway-lb/spillway/balance"
)

// A Request says what Pick may know of the work it finds an endpoint for. The
// zero value is a request without affinity.
type Request struct {
	// Key is the affinity key, a hash; it counts where Keyed is true.
	Key   uint64
	Keyed bool
	// Sticky is the ID of the endpoint that a session is bound to. It wins over
	// the policy while that endpoint is configured, not Down, not known to be
	// ill and not full; else the policy chooses. An exact policy always does.
	Sticky string
	// Strict makes it the endpoint of Sticky or nobody.
	Strict bool
	// Avoid has endpoints not to be picked: those tried already.
	Avoid []*balance.Endpoint
	// Destination is the address that the client has dialed, for the policy
	// ORIGINAL_DESTINATION; invalid where that is not known.
	Destination netip.AddrPort

	trace *trace // nil: it is to be picked, not explained
	full  bool   // somebody was asked who is at his Max
}

// Outcome says whose fault the end of a lease was.
type Outcome uint8

const (
	// Success: the endpoint did its work.
	Success Outcome = iota
	// Failure: the endpoint did not.
	Failure
	// Neutral: it never came to that. The client left, or we shut down.
	Neutral
	// GatewayFailure is a Failure that says that what is behind the endpoint is not
	// there, as the status 502, 503 or 504 does, or that no response came in time.
	GatewayFailure
	// ConnectFailure is a Failure of the connection itself: refused, not made in
	// time, without TLS that is good, or broken before the first byte of an answer.
	ConnectFailure
)

// A Lease is one slot held on one endpoint, from Pick until Done. It is a value
// and costs no memory.
type Lease struct {
	Endpoint *balance.Endpoint
	group    *balance.Load // counts the group's leases; nil: nobody does
	gate     *gate         // by which it leaves; nil: its service has no circuit breakers
}

// Done gives the slot back. Call it exactly once.
func (l Lease) Done(o Outcome) { l.DoneFor(o, "") }

// DoneFor is Done with a few words on what a failure was, for people: one of a small
// number of texts, kept as the endpoint's last.
func (l Lease) DoneFor(o Outcome, reason string) {
	load := l.Endpoint.Load
	switch o {
	case Success:
		if load.InTrouble() {
			load.Succeed()
		}
	case Neutral:
		load.Neutral()
	case GatewayFailure:
		load.Fail(balance.GatewayError, reason)
	case ConnectFailure:
		load.Fail(balance.ConnectError, reason)
	default:
		load.Fail(balance.ResponseError, reason)
	}
	load.Release()
	if l.group != nil {
		l.group.Release()
	}
	if l.gate != nil {
		l.gate.leave()
	}
}

// Pick chooses an endpoint and takes a lease on it, which the caller ends with
// Done. It may be called from any goroutine, before, during and after Run; it
// never blocks and allocates nothing, so ctx is not consulted.
//
// The errors are ErrNoEndpoint, ErrShed, ErrSaturated and ErrClosed.
func (b *Balancer) Pick(_ context.Context, r Request) (Lease, error) {
	s := b.snapshot.Load()
	if s.fast != nil && r.Sticky == "" && len(r.Avoid) == 0 {
		e := s.fast.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed})
		if e.Load.Acquire(e.Max) {
			return Lease{Endpoint: e}, nil
		}
	}
	if s.shedding.refuses(&r) {
		return Lease{}, ErrShed
	}
	if s.gates != nil {
		return s.pickGated(&r)
	}
	return s.search(&r)
}

// search is Pick's other part, for who is let in: for services with capacities, sticky
// requests, when endpoints are to be avoided, when the first choice is full, and for
// exact pickers.
func (s *Snapshot) search(r *Request) (Lease, error) {
	r.full = false
	l, err := s.seek(r)
	if r.full && err == nil && r.belongs() {
		s.flow.displaced.atMax.Add(1)
	}
	return l, err
}

// seek is search but for counting who is displaced.
func (s *Snapshot) seek(r *Request) (Lease, error) {
	if r.Sticky != "" && s.exact == nil { // a session is no reason to serve what was not dialed
		l, err := s.rejoin(r)
		if err == nil || r.Strict {
			return l, err
		}
	}
	if s.plan == nil {
		return s.find(r, s.err)
	}
	p := picking{plan: s.plan, request: r}
	return p.pick()
}
