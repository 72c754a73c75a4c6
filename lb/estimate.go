package lb

import (
	"math"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// This file makes targets of what endpoints report, for groups whose modes go by
// that (spec.md §2.3 and §2.6).

// defaultReportExpiration is what gRPC's A58 has for weights.
const defaultReportExpiration = 3 * time.Minute

// learn takes in what a group's endpoints report, beside the rate that it has got.
// A group of which no report is left is one of which nothing is known. It reports
// whether there is a group to which that may make a difference.
func (s *state) learn(now int64, elapsed time.Duration) (learns bool) {
	reports, fresh := s.reports(now, elapsed)
	for i := range s.opt.Groups {
		b := s.backend(i)
		if !b.Mode.ByReports() {
			continue
		}
		learns = true
		g := s.groups[s.opt.Groups[i].Name]
		g.metrics = nil
		r, ok := b.Reading(func(metric string) (float64, bool) {
			mean, known := meanOf(reports[i], metric)
			if known {
				g.metrics = append(g.metrics, MetricStatus{metric, mean})
			}
			return mean, known
		})
		g.reading = r
		switch {
		case !ok:
			g.reading = capacity.Reading{}
			g.estimate.Forget()
		case fresh[i] && g.recent.n > 1: // before, its rate is not known
			// Who gets nothing sends no new reports: what he sent before says
			// nothing of the rate that he gets now.
			g.estimate.Observe(elapsed, g.recent.last(), r)
		}
	}
	return learns
}

// reports collects the members' reports by group, those that are not too old, of
// members that are not known to be ill. A member without one counts like the mean
// of the others. fresh says of which groups one has come since the last sweep.
func (s *state) reports(now int64, elapsed time.Duration) (all [][]health.LoadReport, fresh []bool) {
	all, fresh = make([][]health.LoadReport, len(s.opt.Groups)), make([]bool, len(s.opt.Groups))
	for _, m := range s.members {
		if !s.opt.Groups[m.group].Capacity.Mode.ByReports() || classOf(m) == ill {
			continue
		}
		if r, age, ok := m.live.report(now, s.opt.ReportExpiration); ok {
			all[m.group] = append(all[m.group], r)
			fresh[m.group] = fresh[m.group] || age <= elapsed
		}
	}
	return all, fresh
}

// meanOf is the mean of a metric over the reports that have it.
func meanOf(reports []health.LoadReport, metric string) (mean float64, known bool) {
	sum, n := 0.0, 0
	for i := range reports {
		if v, ok := reports[i].Value(metric); ok {
			sum += v
			n++
		}
	}
	return sum / float64(max(n, 1)), n > 0
}

// estimate gives targets to the groups that go by reports.
func (s *state) estimate(groups []capacity.Group, sizes []int) {
	var at, members []int
	var estimates []capacity.Estimate
	each, counted := 0.0, 0
	for i := range groups {
		b := &s.opt.Groups[i].Capacity
		switch {
		case b.AlwaysFull(): // a share among others that are, too
			groups[i].Target = capacity.NoUtilization * float64(sizes[i]) * s.backend(i).EffectiveScaler()
		case b.Mode.ByReports():
			at, members = append(at, i), append(members, sizes[i])
			estimates = append(estimates, s.groups[groups[i].Name].estimate)
		}
		if countsRate(b) {
			each += b.Target(sizes[i])
			counted += sizes[i]
		}
	}
	targets, unlimited := capacity.TargetsByReports(estimates, members, each/float64(max(counted, 1)))
	for j, i := range at {
		g, known, b := &groups[i], s.groups[groups[i].Name], s.backend(i)
		if math.Abs(targets[j]-known.target) > notable*known.target {
			known.target = targets[j]
		}
		g.Target, g.Unlimited = known.target*b.EffectiveScaler(), unlimited[j]
		if most := b.Capacity(sizes[i]); countsRate(&b) && (unlimited[j] || most < g.Target) {
			g.Target, g.Unlimited = most, false
		}
	}
}

// notable is the change of a target or a weight, as a part of it, from which on it
// is published.
const notable = 0.02

// countsRate reports whether a group has a rate, be it beside reports, and
// countsSlots whether it has a number of connections.
func countsRate(b *capacity.Backend) bool { return b.MaxRate > 0 || b.MaxRatePerEndpoint > 0 }

func countsSlots(b *capacity.Backend) bool {
	return b.Mode == capacity.Connection || b.Mode == capacity.InFlight ||
		b.MaxConnections > 0 || b.MaxConnectionsPerEndpoint > 0
}
