package plan

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/capacity"
)

// Capacity is what a service's tiers can take, while nobody is ill.
type Capacity struct {
	Before []Tier `json:"before"`
	After  []Tier `json:"after"`
}

// A Tier is groups that are filled together.
type Tier struct {
	// Capacity is the sum of the groups', in the unit of their mode; of those that go
	// by reports nothing is known before there are any.
	Capacity float64 `json:"capacity"`
	Unit     string  `json:"unit"`
	Groups   []Group `json:"groups"`
}

// A Group is one group's part of a tier.
type Group struct {
	Name          string  `json:"name"`
	BalancingMode string  `json:"balancing_mode"`
	Target        float64 `json:"target"`
	Scaler        float64 `json:"capacity_scaler"`
	Capacity      float64 `json:"capacity"`
	// ByReports: what endpoints report decides when it is full.
	ByReports bool `json:"by_reports"`
}

// tiers are the side's tiers in the order in which they are filled. Groups that are
// never filled, such as drained ones, are in none.
func (s *side) tiers() []Tier {
	tiers := []Tier{}
	if s == nil {
		return tiers
	}
	for _, g := range s.status.Groups {
		if g.Mode == capacity.NoMode || g.Tier < 0 {
			continue
		}
		for len(tiers) <= g.Tier {
			tiers = append(tiers, Tier{Groups: []Group{}})
		}
		t := &tiers[g.Tier]
		t.Capacity += g.Capacity
		t.Unit = unit(g.Mode)
		t.Groups = append(t.Groups, Group{g.Name, g.Mode.String(), g.Target, g.Scaler, g.Capacity, g.Mode.ByReports()})
	}
	for _, t := range tiers {
		slices.SortFunc(t.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	}
	return tiers
}

func unit(m capacity.Mode) string {
	switch m {
	case capacity.Connection:
		return "connections"
	case capacity.InFlight:
		return "requests under way"
	default:
		return "requests/s"
	}
}

func (c *Capacity) same() bool { return reflect.DeepEqual(c.Before, c.After) }
