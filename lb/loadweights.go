package lb

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	multierror "github.com/hashicorp/go-multierror"

	"github.com/spillway-lb/spillway/health"
)

// A loaded is what is known of the weight that an endpoint's load reports stand
// for. It follows the endpoint's ID at one address.
type loaded struct {
	weight health.LoadWeight
	seen   int64   // when the last report that it knows came, by flow.clock
	rate   float64 // leases per second, the mean of some seconds; 0: not known
	ill    bool    // it was, at the last sweep
	counts float64 // the weight that picks go by; 0: none
}

// checkLoadWeights appends what is wrong with weights from load reports.
func (o *Options) checkLoadWeights(errs *multierror.Error) *multierror.Error {
	if o.LoadWeights == nil {
		return errs
	}
	if o.ReportedWeights {
		errs = multierror.Append(errs, errors.New("lb: options have both LoadWeights and ReportedWeights; want one of them"))
	}
	if err := o.LoadWeights.Validate(); err != nil {
		errs = multierror.Append(errs, err)
	}
	return errs
}

// weighLoads takes over the weights that endpoints have by their load reports,
// and reports whether any has changed so that it makes a difference.
func (s *state) weighLoads(now int64, elapsed time.Duration) (changed bool) {
	w := s.opt.LoadWeights
	if w == nil {
		return false
	}
	for _, m := range s.members {
		s.takeLoad(m, w, now, elapsed)
	}
	// Ticks come a little early and a little late: nine tenths of a period are one.
	if due := w.UpdatePeriod * 9 / 10; s.weighed > 0 && time.Duration(now-s.weighed) < due {
		return false
	}
	s.weighed = now
	for _, m := range s.members {
		weight := m.loaded.weight.At(*w, s.flow.at(now))
		if isNotable(m.loaded.counts, weight) {
			m.loaded.counts, changed = weight, true
		}
	}
	return changed
}

// takeLoad notes m's rate and its last report, if that is a new one. Who was ill
// begins anew.
func (s *state) takeLoad(m *member, w *health.LoadWeighting, now int64, elapsed time.Duration) {
	l := &m.loaded
	isIll := classOf(m) == ill
	if l.ill && !isIll {
		l.weight.Reset()
	}
	l.ill = isIll
	l.follow(m.rate, elapsed)
	r, age, ok := m.live.report(now, w.Expiration)
	if at := now - int64(age); ok && at > l.seen {
		l.weight.Update(*w, &r, l.rate, s.flow.at(at))
		l.seen = at
	}
}

// rateMemory is how long a measured rate looks back: far enough for a few requests
// a second, for utilization is a mean of some time as well.
const rateMemory = 5 * time.Second

// follow brings the mean rate up to date.
func (l *loaded) follow(rate float64, elapsed time.Duration) {
	if l.rate == 0 {
		l.rate = rate
		return
	}
	l.rate += (rate - l.rate) * -math.Expm1(-elapsed.Seconds()/rateMemory.Seconds())
}

// isNotable reports whether a weight is another: for less than a notable part of it
// it is not worth to make another picker.
func isNotable(was, is float64) bool {
	return (was == 0) != (is == 0) || math.Abs(is-was) > notable*was
}

// byLoad replaces the weights of those at the positions in by those that their
// load reports stand for: where pickers are of groups, group by group. Where fewer
// than two have one the configured weights stay; and who has none gets the mean of
// those who have.
func (d *ruling) byLoad(members []*member, in []int, byGroup bool) {
	groups := map[int][]int{}
	for _, i := range in {
		g := 0
		if byGroup {
			g = members[i].group
		}
		groups[g] = append(groups[g], i)
	}
	for _, in := range groups {
		raw := make([]float64, len(in))
		for k, i := range in {
			raw[k] = members[i].loaded.counts
		}
		scaled, ok := scaleWeights(raw)
		for k, i := range in {
			if ok {
				d.weights[i] = scaled[k]
			}
		}
		d.reported = d.reported || ok
	}
}

// scaleWeights makes whole numbers of weights, none of them 0, the mean being about
// as large as one of many can be without making the rotation longer than is good
// for it. Where fewer than two are above 0 there is nothing to compare.
func scaleWeights(weights []float64) ([]uint32, bool) {
	sum, known := 0.0, 0
	for _, w := range weights {
		if w > 0 {
			sum += w
			known++
		}
	}
	mean := sum / float64(known)
	if known < 2 || math.IsInf(mean, 1) || mean == 0 {
		return nil, false
	}
	unit := min(max(1<<16/len(weights), 1<<6), 1<<12)
	scaled := make([]uint32, len(weights))
	for i, w := range weights {
		if w == 0 {
			w = mean
		}
		scaled[i] = uint32(max(1, math.Round(w/mean*float64(unit))))
	}
	return scaled, true
}

// logLoadWeights says whether load reports have begun to count or no longer do.
func logLoadWeights(o *Options, count bool) {
	text := "configured weights are in use"
	if count {
		text = "weights by load reports are in use"
	}
	o.Log.LogAttrs(context.Background(), slog.LevelInfo, text, slog.String("service", o.Name))
}
