package metrics

import (
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// These are of groups with a balancing mode, in its unit: requests per second,
// connections, or requests under way.
var (
	groupCapacity = desc("group_capacity",
		"What the group is to take: its target times capacity_scaler, 0 while it is drained. Above it traffic spills.",
		"service", "group")
	groupUsage = desc("group_usage",
		"What is used of the group's capacity now, a rate as the mean of ten seconds.",
		"service", "group")
	groupFullness = desc("group_fullness",
		"Usage divided by the target, of the fullest target; 1 is full.",
		"service", "group")
	groupUtilization = desc("group_utilization",
		"Mean of what the group's endpoints report of a metric that its balancing_mode goes by, dry runs too; 1 is all there is.",
		"service", "group", "metric")
	groupShareExpected = desc("group_share_expected",
		"Part of new traffic that the group should get at the present demand, from 0 to 1.",
		"service", "group")
	groupShareActual = desc("group_share_actual",
		"Part of traffic that the group got in the last ten seconds, from 0 to 1.",
		"service", "group")
	spills = desc("spill_total",
		"Requests and connections that went to a group of another tier because the group where they began was full.",
		"service", "from", "to")
)

// capacity sends what there is of groups with a mode.
func (s sink) capacity(service string, status *lb.Status) {
	for i := range status.Groups {
		g := &status.Groups[i]
		if g.Mode == capacity.NoMode {
			continue
		}
		s.gauge(groupCapacity, g.Capacity, service, g.Name)
		s.gauge(groupUsage, g.Usage, service, g.Name)
		s.gauge(groupFullness, g.Fullness, service, g.Name)
		for _, m := range g.Metrics {
			s.gauge(groupUtilization, m.Utilization, service, g.Name, m.Name)
		}
		s.gauge(groupShareExpected, g.Share, service, g.Name)
		s.gauge(groupShareActual, g.ShareActual, service, g.Name)
	}
	for _, spill := range status.Spills {
		s.counter(spills, spill.Count, service, spill.From, spill.To)
	}
}
