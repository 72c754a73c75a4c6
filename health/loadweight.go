package health

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A LoadWeighting says which weight follows from what an endpoint reports of its load: WEIGHTED_ROUND_ROBIN of spec.md
// §4.9, gRFC A58 and A114. Take DefaultLoadWeighting and change what is to be changed: 0 means 0 here.
type LoadWeighting struct {
	// Blackout is for how long reports must have come before they count, so that an endpoint that has just started is not
	// judged by its first moments.
	Blackout time.Duration
	// Expiration is how old the last usable report may become before none counts. Above 0.
	Expiration time.Duration
	// UpdatePeriod is how often weights are taken over, at least MinUpdatePeriod.
	UpdatePeriod time.Duration
	// ErrorPenalty is how much utilization it counts for that all requests fail; less in proportion. At least 0.
	ErrorPenalty float64
	// Metrics are those that say how utilized an endpoint is, in the words of LoadReport.Value: the highest counts.
	// Where none was reported above 0, application_utilization counts, or else cpu_utilization.
	Metrics []string
}

// MinUpdatePeriod is as often as weights may be taken over.
const MinUpdatePeriod = 100 * time.Millisecond

// DefaultLoadWeighting is what gRPC does where nothing is said.
func DefaultLoadWeighting() LoadWeighting {
	return LoadWeighting{
		Blackout:     10 * time.Second,
		Expiration:   180 * time.Second,
		UpdatePeriod: time.Second,
		ErrorPenalty: 1,
	}
}

// Validate reports everything that w cannot mean.
func (w LoadWeighting) Validate() error {
	var errs []error
	if w.Blackout < 0 {
		errs = append(errs, fmt.Errorf("health: blackout %v is negative", w.Blackout))
	}
	if w.Expiration <= 0 {
		errs = append(errs, fmt.Errorf("health: weight expiration %v: want more than 0", w.Expiration))
	}
	if w.UpdatePeriod < MinUpdatePeriod {
		errs = append(errs, fmt.Errorf("health: weight update period %v: want at least %v", w.UpdatePeriod, MinUpdatePeriod))
	}
	if !(w.ErrorPenalty >= 0) || math.IsInf(w.ErrorPenalty, 1) {
		errs = append(errs, fmt.Errorf("health: error utilization penalty %v: want a number of at least 0", w.ErrorPenalty))
	}
	return errors.Join(errs...)
}

// Of returns the weight that a report stands for, which is how many requests per second the endpoint could take:
//
//	qps ÷ (utilization + eps ÷ qps × ErrorPenalty)
//
// rate is what the caller has measured, for an endpoint that does not report its requests per second. The weight is 0
// where the report is of no use: nothing is above 0 that would have to be.
func (w LoadWeighting) Of(r *LoadReport, rate float64) float64 {
	qps := r.RPS
	if !(qps > 0) {
		qps = rate
	}
	load := w.utilization(r)
	if !(qps > 0) || !(load > 0) {
		return 0
	}
	if r.EPS > 0 {
		load += r.EPS / qps * w.ErrorPenalty
	}
	weight := qps / load
	if math.IsInf(weight, 1) || math.IsNaN(weight) {
		return 0
	}
	return weight
}

// utilization is 0 where nothing is reported.
func (w LoadWeighting) utilization(r *LoadReport) float64 {
	highest := 0.0
	for _, name := range w.Metrics {
		if v, ok := r.Value(name); ok {
			highest = max(highest, v)
		}
	}
	switch {
	case highest > 0:
		return highest
	case r.Application > 0:
		return r.Application
	case r.CPU > 0:
		return r.CPU
	default:
		return 0
	}
}

// A LoadWeight is what is known of one endpoint's weight. The zero value knows nothing.
//
//	       usable report               Blackout over
//	none ────────────────► blackout ─────────────────► counts
//	 ▲                        │                           │
//	 └────────────────────────┴───── Expiration, Reset ───┘
type LoadWeight struct {
	weight float64
	last   time.Time // of the last usable report
	since  time.Time // since when there has been no gap between reports
}

// Update takes over a report, see LoadWeighting.Of. One that is of no use changes nothing.
func (l *LoadWeight) Update(w LoadWeighting, r *LoadReport, rate float64, now time.Time) {
	weight := w.Of(r, rate)
	if weight == 0 {
		return
	}
	if l.weight == 0 || now.Sub(l.last) >= w.Expiration {
		l.since = now
	}
	l.weight, l.last = weight, now
}

// At returns the weight at a moment, 0 where there is none that counts.
func (l *LoadWeight) At(w LoadWeighting, now time.Time) float64 {
	if l.weight == 0 || now.Sub(l.last) >= w.Expiration || now.Sub(l.since) < w.Blackout {
		return 0
	}
	return l.weight
}

// Reset forgets everything. It is for an endpoint that is back after a failure, whose past says nothing.
func (l *LoadWeight) Reset() { *l = LoadWeight{} }
