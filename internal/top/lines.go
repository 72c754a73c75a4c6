package top

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

// A Reading is what the admin API said at one moment.
type Reading struct {
	At       time.Time
	Services []admin.ServiceStatus
}

// Order is what endpoints are sorted by, in their group.
type Order uint8

// The orders. All but the first have the highest first.
const (
	ByName Order = iota
	ByRate
	ByActive
	ByFailures
	orders
)

func (o Order) String() string {
	return [...]string{"name", "rate", "active", "failures"}[o%orders]
}

// Level is what a line is about.
type Level uint8

// The levels.
const (
	OfService Level = iota
	OfGroup
	OfEndpoint
)

// A Line is about one service, group or endpoint.
type Line struct {
	Level Level
	Name  string
	// State is the first thing to know: an endpoint's health, or why it takes
	// nothing new. Trouble says that it is not as it should be.
	State   string
	Trouble bool
	// Rate and Failing are requests or connections, and failures, per second
	// between the two readings.
	Rate, Failing float64
	Active        int64
	// Expected and Actual are shares of new traffic, from 0 to 1.
	Expected, Actual float64
	// Fullness is of groups with a capacity, and negative for the rest.
	Fullness float64
	// Remark is what else there is to say.
	Remark string
}

// Lines makes lines of a reading. Rates are since before, which may be the zero
// Reading. With troubled there are only endpoints in trouble, with their groups and
// services.
func Lines(before, now *Reading, by Order, troubled bool) []Line {
	counted := countsOf(before)
	elapsed := now.At.Sub(before.At).Seconds()
	if len(counted) == 0 || elapsed <= 0 {
		elapsed = 0
	}
	var out []Line
	for i := range now.Services {
		out = append(out, ofService(&now.Services[i], counted, elapsed, by, troubled)...)
	}
	return out
}

// A counter tells an endpoint of one service from that of another.
type counter struct{ service, id string }

type counts struct{ requests, failures uint64 }

func countsOf(r *Reading) map[counter]counts {
	all := make(map[counter]counts)
	for _, s := range r.Services {
		for _, g := range s.Groups {
			for _, e := range g.Endpoints {
				all[counter{s.Name, e.ID}] = counts{e.Requests, e.Failures}
			}
		}
	}
	return all
}

// ofService returns the service's line, and those below it.
func ofService(s *admin.ServiceStatus, counted map[counter]counts, elapsed float64, by Order, troubled bool) []Line {
	head := Line{Level: OfService, Name: s.Name, State: s.Policy, Fullness: -1, Expected: 1, Actual: 1, Remark: serviceRemark(s)}
	head.Trouble = s.Panic
	var below []Line
	for i := range s.Groups {
		g := &s.Groups[i]
		group := Line{
			Level: OfGroup, Name: g.Name, Fullness: -1, Expected: g.Share, Actual: g.ShareActual, Remark: groupRemark(g),
		}
		if g.GroupCapacity != nil {
			group.State, group.Fullness = g.BalancingMode, g.Fullness
		}
		members := make([]Line, len(g.Endpoints))
		for j := range g.Endpoints {
			e := &g.Endpoints[j]
			members[j] = ofEndpoint(e)
			if was, ok := counted[counter{s.Name, e.ID}]; ok && elapsed > 0 {
				members[j].Rate = rise(was.requests, e.Requests) / elapsed
				members[j].Failing = rise(was.failures, e.Failures) / elapsed
			}
			group.add(&members[j])
		}
		head.add(&group)
		if troubled {
			members = slices.DeleteFunc(members, func(l Line) bool { return !l.Trouble })
		}
		by.sort(members)
		if len(members) == 0 && troubled {
			continue
		}
		if g.Name != "" {
			below = append(below, group)
		}
		below = append(below, members...)
	}
	if troubled && len(below) == 0 && !s.Panic {
		return nil
	}
	return append([]Line{head}, below...)
}

// rise is how far a counter has come; one that begins anew has come from 0.
func rise(was, is uint64) float64 {
	if is < was {
		return float64(is)
	}
	return float64(is - was)
}

// add adds what a line counts to the one above it.
func (l *Line) add(below *Line) {
	l.Rate += below.Rate
	l.Failing += below.Failing
	l.Active += below.Active
	l.Trouble = l.Trouble || below.Trouble
}

func ofEndpoint(e *admin.EndpointStatus) Line {
	l := Line{
		Level: OfEndpoint, Name: e.ID, State: e.Health, Active: e.Active, Fullness: -1,
		Expected: e.ShareExpected, Actual: e.ShareActual, Remark: e.Reason,
	}
	l.Trouble = e.Health != "HEALTHY" || e.Traffic != ""
	switch {
	case e.Ejected:
		l.State, l.Trouble = "EJECTED", true
		l.Remark = "for " + strings.ToLower(strings.ReplaceAll(e.EjectedFor, "_", " "))
	case e.Admin != "READY":
		l.State = e.Admin
	case e.Health == "HEALTHY" && e.Traffic != "":
		l.State, l.Remark = e.Traffic, "its checks pass, its traffic does not: "+e.TrafficReason
	case e.Health == "HEALTHY" && e.Dropped != "":
		l.State = e.Dropped
	case e.Warm < 1:
		l.State = "WARMING"
	}
	return l
}

func serviceRemark(s *admin.ServiceStatus) string {
	var parts []string
	if s.Affinity != "NONE" {
		parts = append(parts, "by "+s.Affinity)
	}
	if s.Panic {
		parts = append(parts, "PANIC")
	}
	if s.ActivePool == "BACKUP" {
		parts = append(parts, "backups are active")
	}
	for _, r := range s.Removed {
		parts = append(parts, r.ID+" was removed and has traffic")
	}
	return strings.Join(parts, ", ")
}

func groupRemark(g *admin.GroupStatus) string {
	switch {
	case g.GroupCapacity != nil && g.Drained:
		return "drained"
	case g.Failover:
		return "backup"
	}
	return strings.Trim(g.Region+" "+g.Zone, " ")
}

// sort sorts endpoints. Those that are level are by name.
func (o Order) sort(lines []Line) {
	slices.SortFunc(lines, func(a, b Line) int {
		c := 0
		switch o {
		case ByRate:
			c = cmp.Compare(b.Rate, a.Rate)
		case ByActive:
			c = cmp.Compare(b.Active, a.Active)
		case ByFailures:
			c = cmp.Compare(b.Failing, a.Failing)
		}
		return cmp.Or(c, strings.Compare(a.Name, b.Name))
	})
}
