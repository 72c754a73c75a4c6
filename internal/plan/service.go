package plan

import (
	"fmt"
	"strings"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// A Service is what becomes of one service.
type Service struct {
	Name string `json:"name"`
	Verb Verb   `json:"change"`
	// Moved is the part of all keys, from 0 to 1, that belong to another endpoint
	// afterwards, or to none: so many clients lose theirs. Why says how that comes
	// about, where it is not the change of the endpoints alone.
	Moved float64 `json:"moved"`
	Why   string  `json:"why,omitempty"`
	// Sessions are those of strong affinity; nil where there are none before.
	Sessions *Sessions `json:"sessions,omitempty"`
	// Gained, Lost and Changed are endpoints, by ID.
	Gained  []Endpoint `json:"gained"`
	Lost    []Endpoint `json:"lost"`
	Changed []Altered  `json:"changed"`
	// Capacity is that of the tiers before and after, empty where no group has any.
	Capacity Capacity `json:"capacity"`
	// Settings are other keys of the service with another value.
	Settings []string `json:"settings"`
}

// compareService compares the service's two sides. One of them may be nil.
func compareService(name string, before, after *side) Service {
	s := Service{Name: name, Verb: Stays, Settings: []string{}}
	s.Moved, s.Why = moved(before, after)
	s.endpoints(before, after)
	s.Sessions = s.sessions(before, after)
	s.Capacity = Capacity{Before: before.tiers(), After: after.tiers()}
	switch {
	case before == nil:
		s.Verb = Comes
		return s
	case after == nil:
		s.Verb = Goes
		return s
	}
	s.Settings = append(s.Settings, differences(before.spec, after.spec)...)
	if s.Moved > 0 || len(s.Gained)+len(s.Lost)+len(s.Changed)+len(s.Settings) > 0 || !s.Capacity.same() {
		s.Verb = Changes
	}
	return s
}

// moved returns which part of the keys moves: the first row that fits.
//
//	before    │ after    │ what else               │ moved
//	──────────┼──────────┼─────────────────────────┼──────────────────────────
//	none      │          │                         │ 0
//	strong    │          │                         │ 0, see Sessions
//	no keys   │          │                         │ 0, nobody has an endpoint
//	          │ none     │                         │ 1
//	          │ no keys  │                         │ 1 − Σ pᵢ·qᵢ
//	keys      │ keys     │ a key is something else │ 1 − Σ pᵢ·qᵢ
//	keys      │ keys     │                         │ by the two tables
//
// pᵢ and qᵢ are endpoint i's parts before and after: where the old place of a key says
// nothing of its new one, it is the same one so often.
func moved(before, after *side) (float64, string) {
	switch {
	case before == nil:
		return 0, ""
	case before.isStrong():
		return 0, "clients are bound by their cookies"
	case !before.binds():
		return 0, fmt.Sprintf("%s keeps no client on an endpoint", before.spec.LocalityLBPolicy)
	case len(before.parts()) == 0:
		return 0, "there is no endpoint before"
	case after == nil:
		return 1, "the service goes"
	case len(after.parts()) == 0:
		return 1, "there is no endpoint after"
	case !after.binds():
		return apart(before, after), fmt.Sprintf("%s keeps no client on an endpoint", after.spec.LocalityLBPolicy)
	}
	if why := otherKeys(before, after); why != "" {
		return apart(before, after), why
	}
	part, _ := lb.Moved(before.tables, after.tables)
	if before.takesReports() || after.takesReports() {
		return part, "by the weights of the file, not by those that endpoints report"
	}
	return part, ""
}

// apart is the part that moves where old and new places are independent.
func apart(before, after *side) float64 {
	return 1 - balance.Agreement(before.parts(), after.parts())
}

// otherKeys says why the keys of the same clients are others than before, "" if they
// are not.
func otherKeys(before, after *side) string {
	a, b := &before.rule, &after.rule
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("session_affinity changes from %s to %s: all keys are others", a.Kind, b.Kind)
	case a.Seed != b.Seed:
		return "hash_seed changes: all keys are hashed anew"
	case a.Kind == affinity.HeaderField && !strings.EqualFold(a.Header, b.Header):
		return fmt.Sprintf("the header changes from %s to %s: all keys are others", a.Header, b.Header)
	case a.Kind.NeedsCookie() && a.CookieName() != b.CookieName():
		return fmt.Sprintf("the cookie changes from %s to %s: all clients get a new one", a.CookieName(), b.CookieName())
	case a.Kind.NeedsFlow():
		return otherAddresses(before, after)
	}
	return ""
}
