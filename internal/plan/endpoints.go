package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spillway-lb/spillway/balance"
)

// An Endpoint is one that a service gains or loses.
type Endpoint struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Group   string `json:"group,omitempty"`
	// Share is its part, from 0 to 1, of the keys, or of new traffic where the policy
	// does not go by keys: what a gained one gets, or a lost one had. It is that of a
	// proxy that has little to do.
	Share float64 `json:"share"`
}

// An Altered endpoint stays, but not as it was.
type Altered struct {
	ID      string   `json:"id"`
	Changes []string `json:"changes"` // such as "weight 1 → 2"
}

// A member is an endpoint with the name of its group.
type member struct {
	*balance.Endpoint
	group string
}

// endpoints compares who is there.
func (s *Service) endpoints(before, after *side) {
	s.Gained, s.Lost, s.Changed = []Endpoint{}, []Endpoint{}, []Altered{}
	old, now := before.members(), after.members()
	had, gets := before.shares(), after.shares()
	for _, id := range sortedKeys(old) {
		m := old[id]
		if n, stays := now[id]; stays {
			if what := differs(m, n); len(what) > 0 {
				s.Changed = append(s.Changed, Altered{id, what})
			}
			continue
		}
		s.Lost = append(s.Lost, Endpoint{id, m.Addr, m.group, had[id]})
	}
	for _, id := range sortedKeys(now) {
		if _, stayed := old[id]; !stayed {
			s.Gained = append(s.Gained, Endpoint{id, now[id].Addr, now[id].group, gets[id]})
		}
	}
}

// members are the side's endpoints by ID.
func (s *side) members() map[string]member {
	all := make(map[string]member)
	if s == nil {
		return all
	}
	groups := make(map[string]string)
	for _, g := range s.status.Groups {
		for _, e := range g.Endpoints {
			groups[e.ID] = g.Name
		}
	}
	for _, c := range s.tables.Candidates {
		all[c.ID] = member{c.Endpoint, groups[c.ID]}
	}
	return all
}

// differs says what of an endpoint changes.
func differs(a, b member) (what []string) {
	add := func(name string, from, to any) {
		if from != to {
			what = append(what, fmt.Sprintf("%s %v → %v", name, from, to))
		}
	}
	add("address", a.Addr, b.Addr)
	add("group", named(a.group), named(b.group))
	add("weight", a.Weight, b.Weight)
	add("max", limit(a.Max), limit(b.Max))
	return what
}

func named(group string) string { return cmp.Or(group, "none") }

func limit(max int64) string {
	if max == 0 {
		return "none"
	}
	return fmt.Sprint(max)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
