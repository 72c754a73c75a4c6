package lb

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// A WeightError says why an endpoint's own report of its weight is not to be had
// (spec.md §4.7).
type WeightError uint8

// The errors, in the words of the API.
const (
	// WeightNone: nothing is wrong. It has reported one, or was not asked yet.
	WeightNone WeightError = iota
	// InvalidWeight: its last reply had something else in the field.
	InvalidWeight
	// MissingWeight: its last reply did not have the field.
	MissingWeight
	// UnavailableWeight: its health is TIMEOUT or UNKNOWN, or it never replied.
	UnavailableWeight
)

// String gives the API's spelling.
func (e WeightError) String() string {
	names := [...]string{"WEIGHT_NONE", "INVALID_WEIGHT", "MISSING_WEIGHT", "UNAVAILABLE_WEIGHT"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("WeightError(%d)", uint8(e))
}

// A report is what is known of an endpoint's own idea of its weight.
type report struct {
	last  health.Weight // in the last reply that was one
	valid health.Weight // the last one that was valid
}

// note takes over what a check brought. Only replies count.
func (r *report) note(w health.Weight) {
	if w.State == health.WeightNone {
		return
	}
	r.last = w
	if w.State == health.WeightValid {
		r.valid = w
	}
}

// weightError says what is wrong with m's report.
func (m *member) weightError() WeightError {
	switch {
	case m.health == health.Timeout || m.health == health.Unknown:
		return UnavailableWeight
	case m.report.last.State == health.WeightInvalid:
		return InvalidWeight
	case m.report.last.State == health.WeightMissing:
		return MissingWeight
	case m.report.last.State == health.WeightNone && m.health != health.Healthy:
		return UnavailableWeight
	default:
		return WeightNone
	}
}

// reportedWeights returns the members' weights as they report them, or false
// where the configured ones stand in: all or nothing.
//
//	last reply      │ health            │
//	────────────────┼───────────────────┼─────────────────────────────────────
//	any or none     │ TIMEOUT, UNKNOWN  │ the last valid weight, else the mean
//	none            │ any               │ the mean
//	valid           │ HEALTHY, UNHEALTHY│ that weight
//	invalid, missing│ HEALTHY, UNHEALTHY│ nobody's report counts
//
// The mean is of all that are valid or were; where there is none, nobody's
// report counts. Who has weight 0 in the file keeps it. A drain changes nothing
// here, so that nobody's keys move but those of who is drained.
func reportedWeights(members []*member) (reported []uint32, ok bool) {
	var sum, known uint64
	for _, m := range members {
		switch m.weightError() {
		case InvalidWeight, MissingWeight:
			return nil, false
		}
		if m.report.valid.State == health.WeightValid {
			sum += uint64(m.report.valid.Value)
			known++
		}
	}
	if known == 0 {
		return nil, false
	}
	mean := uint32((sum + known/2) / known)
	if mean == 0 && sum > 0 {
		mean = 1 // 0 would be a word of its own
	}
	return weights(members, func(m *member) uint32 {
		if m.report.valid.State == health.WeightValid {
			return m.report.valid.Value
		}
		return mean
	}), true
}

// weighing returns m's endpoint as picks see it: with the weight that counts now.
// It is the same value as before while that is the same weight.
func (m *member) weighing(weight uint32) *balance.Endpoint {
	if weight == m.endpoint.Weight {
		return m.endpoint
	}
	if m.weighed == nil || m.weighed.Weight != weight {
		e := *m.endpoint
		e.Weight = weight
		m.weighed = &e
	}
	return m.weighed
}

// takesReports reports whether what endpoints report can count.
func (o *Options) takesReports() bool {
	return o.ReportedWeights && o.HealthCheck != nil && o.HealthCheck.ReportsWeight()
}

// logReport warns of a report that is not taken as it is. It says so once: an
// endpoint that sends new nonsense with each reply does not fill the log.
func logReport(o *Options, m *member, now health.Weight) {
	before := m.report.last
	if !o.takesReports() || now.State == before.State && (now.Text == "") == (before.Text == "") {
		return
	}
	text := ""
	switch {
	case now.State == health.WeightInvalid:
		text = "reported weight is invalid"
	case now.State == health.WeightMissing:
		text = "no weight reported"
	case now.Text != "":
		text = "reported weight adjusted"
	default:
		return
	}
	o.Log.LogAttrs(context.Background(), slog.LevelWarn, text,
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("reported", now.Text),
		slog.Uint64("weight", uint64(now.Value)))
}

// logWeights says that reports begin to count or no longer do, and whose fault
// that is.
func logWeights(o *Options, members []*member, before, now bool) {
	if before == now {
		return
	}
	if o.LoadWeights != nil {
		logLoadWeights(o, now)
		return
	}
	if !o.takesReports() {
		return
	}
	if now {
		o.Log.LogAttrs(context.Background(), slog.LevelInfo, "reported weights are in use", slog.String("service", o.Name))
		return
	}
	for _, m := range members {
		if e := m.weightError(); e == InvalidWeight || e == MissingWeight {
			o.Log.LogAttrs(context.Background(), slog.LevelWarn, "configured weights are in use",
				slog.String("service", o.Name),
				slog.String("endpoint", m.endpoint.ID),
				slog.String("error", e.String()))
			return
		}
	}
}
