package lb

import "sort"

// rejoin takes a lease on the endpoint that the request is bound to.
func (s *Snapshot) rejoin(r *Request) (Lease, error) {
	i, ok := s.byID(r.Sticky)
	if !ok || !s.sticky[i] {
		if s.err == ErrClosed {
			return Lease{}, ErrClosed
		}
		return Lease{}, ErrNoEndpoint
	}
	l, ok := take(s.Candidates[i].Endpoint, r)
	r.trace.keep(ok)
	switch {
	case ok:
		return s.plan.keep(l, i, r.trace), nil
	case avoids(r.Avoid, s.Candidates[i].Endpoint):
		return Lease{}, ErrNoEndpoint
	}
	return Lease{}, ErrSaturated
}

// keepsSessions reports whether those who are bound to m still reach it although it
// takes nobody new. Who takes new traffic has them in any case, also in a panic, when
// health is not believed: they would be moved from one to the next for nothing. Who is
// ejected counts as UNHEALTHY here.
//
//	operator  health              group     sticky requests
//	DOWN      any                 any       move
//	any       UNHEALTHY, TIMEOUT  any       move
//	DRAIN     else                any       stay, or move where a drain moves sessions
//	READY     else                drained   stay, or move where a drain moves sessions
//	READY     else                not       stay: in a standby, with weight 0, not checked yet
func keepsSessions(m *member, moves bool) bool {
	switch {
	case m.admin == Down || classOf(m) == ill:
		return false
	case m.admin == Drain || m.idle:
		return !moves
	}
	return true
}

// Endpoint returns the ID of the endpoint that has this one, if it is configured. It
// saves who reads IDs from the wire a copy.
func (s *Snapshot) Endpoint(id []byte) (string, bool) {
	i := sort.Search(len(s.Candidates), func(i int) bool { return s.Candidates[i].ID >= string(id) })
	if i < len(s.Candidates) && s.Candidates[i].ID == string(id) {
		return s.Candidates[i].ID, true
	}
	return "", false
}
