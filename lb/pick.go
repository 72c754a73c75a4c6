package lb

import (
	"context"
	"math/rand/v2"
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
	// Avoid has endpoints not to be picked: those tried already.
	Avoid []*balance.Endpoint
	// Destination is the address that the client has dialed, for the policy
	// ORIGINAL_DESTINATION; invalid where that is not known.
	Destination netip.AddrPort
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
)

// A Lease is one slot held on one endpoint, from Pick until Done. It is a value
// and costs no memory.
type Lease struct {
	Endpoint *balance.Endpoint
}

// Done gives the slot back. Call it exactly once.
func (l Lease) Done(o Outcome) {
	if o == Failure {
		l.Endpoint.Load.Fail()
	}
	l.Endpoint.Load.Release()
}

// Pick chooses an endpoint and takes a lease on it, which the caller ends with
// Done. It may be called from any goroutine, before, during and after Run; it
// never blocks and allocates nothing, so ctx is not consulted.
//
// The errors are ErrNoEndpoint, ErrSaturated and ErrClosed.
func (b *Balancer) Pick(_ context.Context, r Request) (Lease, error) {
	s := b.snapshot.Load()
	if s.picker != nil && r.Sticky == "" && len(r.Avoid) == 0 {
		e := s.picker.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed})
		if e.Load.Acquire(e.Max) {
			return Lease{Endpoint: e}, nil
		}
	}
	return s.search(r)
}

// tries is how many of the policy's alternatives search asks for before it
// takes anybody who is left.
const tries = 16

// search is Pick's other part: for sticky requests, when endpoints are to be
// avoided, when the first choice is full, and for exact pickers.
func (s *Snapshot) search(r Request) (Lease, error) {
	if s.exact != nil {
		return s.pickExact(r) // a session is no reason to serve what was not dialed
	}
	if r.Sticky != "" {
		if i, ok := s.byID(r.Sticky); ok && s.sticky[i] {
			if l, ok := take(s.Candidates[i].Endpoint, r.Avoid); ok {
				return l, nil
			}
		}
	}
	if s.picker == nil {
		return Lease{}, s.err
	}
	for try := range tries {
		e := s.picker.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed, Try: try})
		if e == nil {
			break
		}
		if l, ok := take(e, r.Avoid); ok {
			return l, nil
		}
	}
	return s.sweep(r)
}

// pickExact takes whom an exact picker names, or nobody.
func (s *Snapshot) pickExact(r Request) (Lease, error) {
	err := ErrNoEndpoint
	for try := range tries {
		e := s.exact.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed, Try: try, Destination: r.Destination})
		if e == nil {
			break
		}
		if avoids(r.Avoid, e) {
			continue
		}
		if l, ok := take(e, nil); ok {
			return l, nil
		}
		err = ErrSaturated
	}
	return Lease{}, err
}

// sweep takes the first candidate that can be had, from a random one on, so
// that nobody is turned away while somebody can serve.
func (s *Snapshot) sweep(r Request) (Lease, error) {
	err := ErrNoEndpoint
	start := rand.IntN(len(s.Candidates))
	for i := range s.Candidates {
		c := s.Candidates[(start+i)%len(s.Candidates)]
		if c.Share == 0 || avoids(r.Avoid, c.Endpoint) {
			continue
		}
		if l, ok := take(c.Endpoint, nil); ok {
			return l, nil
		}
		err = ErrSaturated
	}
	return Lease{}, err
}

func take(e *balance.Endpoint, avoid []*balance.Endpoint) (Lease, bool) {
	if avoids(avoid, e) || !e.Load.Acquire(e.Max) {
		return Lease{}, false
	}
	return Lease{Endpoint: e}, true
}

// avoids reports whether e is one of avoid. It goes by ID: a snapshot in between
// may have made another value of the same endpoint.
func avoids(avoid []*balance.Endpoint, e *balance.Endpoint) bool {
	for _, a := range avoid {
		if a.ID == e.ID {
			return true
		}
	}
	return false
}
