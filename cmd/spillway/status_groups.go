package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// units are what capacities of a mode are measured in.
var units = map[string]string{
	"RATE":           "req/s",
	"CONNECTION":     "conns",
	"IN_FLIGHT":      "in flight",
	"UTILIZATION":    "req/s",
	"CUSTOM_METRICS": "req/s",
}

// groupTable has one line for each group that has a capacity, those that are filled
// first at the top, and one for each way in which traffic has spilled.
func groupTable(s *admin.ServiceStatus) string {
	t := new(table)
	t.row("GROUP", "MODE", right("TIER"), "FULL", "", right("USAGE"), right("OF"), "", right("SHARE"), right("ACTUAL"), "")
	for _, g := range byTier(s.Groups) {
		c := g.GroupCapacity
		t.row(g.Name, c.BalancingMode, right(tier(c.Tier)), bar(c.Fullness), percent(c.Fullness), number(c.Usage), number(c.Capacity),
			units[c.BalancingMode], percent(g.Share), percent(g.ShareActual), groupRemark(c))
	}
	if len(t.rows) == 1 {
		return ""
	}
	text := t.String()
	for _, spill := range s.Spills {
		text += fmt.Sprintf("spilled from %s to %s: %d\n", spill.From, spill.To, spill.Count)
	}
	return text
}

// byTier returns the groups with a capacity in the order in which they are filled,
// those that never are last.
func byTier(groups []admin.GroupStatus) []*admin.GroupStatus {
	var sorted []*admin.GroupStatus
	for i := range groups {
		if groups[i].GroupCapacity != nil {
			sorted = append(sorted, &groups[i])
		}
	}
	slices.SortStableFunc(sorted, func(a, b *admin.GroupStatus) int {
		return cmp.Compare(uint(a.Tier), uint(b.Tier)) // -1 is the largest
	})
	return sorted
}

// groupRemark says what is special about a group.
func groupRemark(c *admin.GroupCapacity) string {
	switch {
	case c.CapacityScaler == 0:
		return "drained"
	case c.Drained:
		return "drained: too few are healthy"
	case c.CapacityScaler != 1:
		return fmt.Sprintf("scaled to %v", c.CapacityScaler)
	}
	return ""
}

// tier is a tier's number, and nothing for a group in none.
func tier(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// bar is ten places wide and shows a part from 0 to 1; what is above 1 looks like 1
// with a mark.
func bar(x float64) string {
	const places = 10
	full := int(min(max(x, 0), 1) * places)
	if x > 1.005 {
		return "[" + strings.Repeat("#", places) + ">"
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", places-full) + "]"
}

// A number is shown with as many digits as a person wants to read.
type number float64

func (n number) String() string {
	x := float64(n)
	if x == math.Trunc(x) || math.Abs(x) >= 1000 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}
