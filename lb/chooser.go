package lb

import (
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/balance"
)

// A chooser finds an endpoint among candidates, by the service's policy.
type chooser struct {
	candidates []balance.Candidate
	picker     balance.Picker // nil: nobody may be picked, or exact is set
	exact      balance.Exact  // in its place, so that who is picked fast is always somebody
	last       balance.Picker // the last one there was, for the next to resume
}

// build makes the picker. Where nothing has changed since prev, which may be nil,
// it takes over prev's, unless it is to be made anew.
func (c *chooser) build(policy balance.Policy, prev *pool, anew bool) {
	if prev != nil {
		c.last = prev.last
		if !anew && slices.Equal(prev.candidates, c.candidates) {
			c.picker, c.exact = prev.picker, prev.exact
			return
		}
	}
	if slices.ContainsFunc(c.candidates, func(e balance.Candidate) bool { return e.Share > 0 }) {
		c.make(policy)
	}
}

// make makes the picker and lets it go on where the last one was.
func (c *chooser) make(policy balance.Policy) {
	picker := policy(c.candidates)
	if r, ok := picker.(balance.Resumer); ok && c.last != nil {
		r.Resume(c.last)
	}
	c.picker, c.exact, c.last = picker, nil, picker
	if exact, ok := picker.(balance.Exact); ok {
		c.picker, c.exact = nil, exact
	}
}

// tries is how many of the policy's alternatives find asks for before it takes
// anybody who is left.
const tries = 16

// find takes a lease on the endpoint that the policy chooses, or if that is full
// or to be avoided on an alternative. It fails with none.
func (c *chooser) find(r *Request, none error) (Lease, error) {
	if c.exact != nil {
		return c.findExact(r)
	}
	if c.picker == nil {
		return Lease{}, none
	}
	last := ""
	for try := range tries {
		e := c.picker.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed, Try: try})
		if e == nil {
			break
		}
		if l, ok := take(e, r); ok {
			return l, nil
		}
		last = e.ID
	}
	return c.sweep(r, last)
}

// findExact takes whom an exact picker names, or nobody.
func (c *chooser) findExact(r *Request) (Lease, error) {
	err := ErrNoEndpoint
	for try := range tries {
		e := c.exact.Pick(balance.Request{Key: r.Key, Keyed: r.Keyed, Try: try, Destination: r.Destination})
		if e == nil {
			break
		}
		if avoids(r.Avoid, e) {
			continue
		}
		if l, ok := take(e, r); ok {
			return l, nil
		}
		err = ErrSaturated
	}
	return Lease{}, err
}

// sweep takes the first candidate that can be had, so that nobody is turned away
// while somebody can serve. It begins behind the last one that was tried: there is
// as much chance in it as in the policy, and no more.
func (c *chooser) sweep(r *Request, last string) (Lease, error) {
	err := ErrNoEndpoint
	start, found := slices.BinarySearchFunc(c.candidates, last, func(e balance.Candidate, id string) int { return strings.Compare(e.ID, id) })
	if found {
		start++
	}
	for i := range c.candidates {
		e := c.candidates[(start+i)%len(c.candidates)]
		if e.Share == 0 || avoids(r.Avoid, e.Endpoint) {
			continue
		}
		if l, ok := take(e.Endpoint, r); ok {
			return l, nil
		}
		err = ErrSaturated
	}
	return Lease{}, err
}

func take(e *balance.Endpoint, r *Request) (Lease, bool) {
	if r.trace.dry() {
		return r.trace.take(e, r.Avoid)
	}
	if avoids(r.Avoid, e) {
		return Lease{}, false
	}
	if !e.Load.Acquire(e.Max) {
		r.full = true
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
