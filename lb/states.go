package lb

import "github.com/spillway-lb/spillway/health"

// A State is what a snapshot knows of an endpoint besides its share, for those
// who hold leases on it: the two axes, and what came of them.
type State struct {
	Group     string // the name of its group
	Admin     Admin
	Unhealthy bool // its checks say so; one that was not checked yet is not
	Standing  Standing
}

// State returns the state of the endpoint at Candidates[i].
func (s *Snapshot) State(i int) State { return s.states[i] }

// Replaced returns a channel that is closed when s is no longer the balancer's
// snapshot. Who waits for it misses no change for good, and sees a burst of them
// as one.
func (s *Snapshot) Replaced() <-chan struct{} { return s.replaced }

// retire tells those who wait for it that there is a newer snapshot than s, which
// may be nil.
func (s *Snapshot) retire() {
	if s != nil {
		close(s.replaced)
	}
}

// states describes the members.
func (s *state) states(standings []Standing) []State {
	out := make([]State, len(s.members))
	for i, m := range s.members {
		out[i] = State{
			Group:     s.opt.Groups[m.group].Name,
			Admin:     m.admin,
			Unhealthy: m.health == health.Unhealthy || m.health == health.Timeout,
			Standing:  standings[i],
		}
	}
	return out
}
