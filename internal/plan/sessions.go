package plan

import (
	"fmt"
	"slices"

	"github.com/spillway-lb/spillway/affinity"
)

// Sessions is what becomes of the strong sessions of a service.
type Sessions struct {
	// Orphaned is the part of them, from 0 to 1, that loses its endpoint, as many as
	// endpoints have by their shares. Why says what does that, if anything.
	Orphaned float64 `json:"orphaned"`
	Why      string  `json:"why,omitempty"`
}

// isStrong reports whether clients are bound to endpoints by name.
func (s *side) isStrong() bool { return s != nil && s.rule.Kind == affinity.StrongCookie }

// sessions compares cookies first, and then who is there: a session goes by its
// endpoint's ID, and by nothing else. It returns nil where there are none before.
func (s *Service) sessions(before, after *side) *Sessions {
	if !before.isStrong() {
		return nil
	}
	if why := otherCookie(before, after); why != "" {
		return &Sessions{1, why}
	}
	var sum Sessions
	for _, e := range s.Lost {
		sum.Orphaned += e.Share
	}
	if len(s.Lost) > 0 {
		sum.Why = "their endpoints go"
	}
	return &sum
}

// otherCookie says why none of the cookies from before are worth anything after; "" if
// they are.
func otherCookie(before, after *side) string {
	if after == nil {
		return "the service goes"
	}
	if !after.isStrong() {
		return fmt.Sprintf("session_affinity changes from %s to %s", before.rule.Kind, after.rule.Kind)
	}
	old, now := before.spec.StrongSessionAffinityCookie, after.spec.StrongSessionAffinityCookie
	switch {
	case old.Name != now.Name:
		return fmt.Sprintf("the cookie changes from %s to %s", old.Name, now.Name)
	case !before.rule.AppliesTo([]byte(now.Path)) && !after.rule.AppliesTo([]byte(old.Path)):
		return fmt.Sprintf("the cookie's path changes from %s to %s", old.Path, now.Path)
	case len(old.Keys) > 0 && !slices.Contains(now.Keys, old.Keys[0]):
		// Where there were none, the process keeps its own.
		return "the key that seals before does not open after"
	}
	return ""
}
