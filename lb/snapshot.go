package lb

import (
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/balance"
)

// A Snapshot is the published state that picks read: everything they need,
// under one pointer, so nothing can be half changed. It never changes.
type Snapshot struct {
	// Version rises by one with every snapshot of a Balancer.
	Version uint64
	// Candidates are all configured endpoints, sorted by ID; those with Share 0
	// are not picked. Not to be modified.
	Candidates []balance.Candidate
	// Pool is the active one of primaries and backups; those of the other stand
	// by.
	Pool Pool

	chooser                 // among all candidates; of nobody where there is a plan
	fast     balance.Picker // chooser's, while there is nothing else that a pick needs; see search
	plan     *plan          // nil: groups make no difference
	panic    bool
	shedding *shedding
	reported bool    // shares are of the weights that endpoints report
	err      error   // why nobody may be picked
	sticky   []bool  // of each candidate: may sticky requests reach it
	states   []State // of each candidate
	total    uint64  // sum of shares
	since    []uint64
	flow     *flow
	lives    []*endpointLive // of each candidate

	gates    *gates           // nil: there are no circuit breakers
	breakers *CircuitBreakers // those, with their defaults

	replaced chan struct{} // closed when another snapshot has taken its place
}

// hurry lets picks take the fast way, where that is the right one.
func (s *Snapshot) hurry() {
	if s.shedding == nil && s.gates == nil {
		s.fast = s.picker
	}
}

// isExact reports whether the policy names one endpoint, for whom no other will do.
func (s *Snapshot) isExact() bool {
	return s.exact != nil || s.plan != nil && slices.ContainsFunc(s.plan.groups, func(g pool) bool { return g.exact != nil })
}

// byID finds a candidate's index.
func (s *Snapshot) byID(id string) (int, bool) {
	return slices.BinarySearchFunc(s.Candidates, id, func(c balance.Candidate, id string) int {
		return strings.Compare(c.ID, id)
	})
}

// share is the part of traffic that candidate i should get. groups are only looked
// at where there is a plan.
func (s *Snapshot) share(i int, groups []GroupStatus) float64 {
	total, of := s.total, 1.0
	if s.plan != nil {
		g := s.plan.groupOf[i]
		of, total = groups[g].Share, s.plan.groups[g].total
	}
	if total == 0 {
		return 0
	}
	return of * float64(s.Candidates[i].Share) / float64(total)
}
