package health_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
)

func load(change func(*health.LoadReport)) *health.LoadReport {
	r := health.NoLoadReport()
	change(&r)
	return &r
}

// T10 of spec.md §14, and what §4.9 says of each number.
func TestWeightOfAReport(t *testing.T) {
	gpu := []health.NamedMetric{{Name: "gpu", Value: 0.25}, {Name: "disk", Value: 0.5}, {Name: "none", Value: 0}, {Name: "bad", Value: math.NaN()}}
	named := []string{"orca.named_metrics.gpu", "orca.named_metrics.disk"}
	for _, tc := range []struct {
		name    string
		penalty float64
		metrics []string
		rate    float64
		report  *health.LoadReport
		want    float64
	}{
		{"T10", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.EPS = 100, 0.5, 10 }), 100 / 0.6},
		{"no penalty", 0, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.EPS = 100, 0.5, 10 }), 200},
		{"twice the penalty", 2, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.EPS = 100, 0.5, 10 }), 100 / 0.7},
		{"errors not reported", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, 0.5 }), 200},
		{"application before cpu", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Application = 100, 0.5, 0.8 }), 125},
		{"cpu where application is 0", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Application = 100, 0.5, 0 }), 200},
		{"highest of the metrics before application", 1, named, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Application, r.Named = 100, 0.9, 0.9, gpu }), 200},
		{"one of the metrics is there", 1, named[:1], 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Named = 100, 0.9, gpu }), 400},
		{"metrics that are not reported", 1, []string{"orca.named_metrics.other"}, 0, load(func(r *health.LoadReport) { r.RPS, r.Application, r.Named = 100, 0.8, gpu }), 125},
		{"metrics of 0 and NaN", 1, []string{"orca.named_metrics.none", "orca.named_metrics.bad"}, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Named = 100, 0.5, gpu }), 200},
		{"a metric that is memory", 1, []string{"orca.mem_utilization"}, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.Memory = 100, 0.5, 0.2 }), 500},
		{"memory alone is no utilization", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.Memory = 100, 0.2 }), 0},
		{"above 1", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, 4 }), 25},
		{"measured rate", 1, nil, 60, load(func(r *health.LoadReport) { r.CPU = 0.5 }), 120},
		{"measured rate where 0 is reported", 1, nil, 60, load(func(r *health.LoadReport) { r.RPS, r.CPU = 0, 0.5 }), 120},
		{"reported rate before the measured one", 1, nil, 60, load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, 0.5 }), 200},
		{"errors count against the measured rate", 1, nil, 100, load(func(r *health.LoadReport) { r.CPU, r.EPS = 0.5, 50 }), 100},
		{"no rate", 1, nil, 0, load(func(r *health.LoadReport) { r.CPU = 0.5 }), 0},
		{"utilization 0", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, 0 }), 0},
		{"utilization 0 and errors", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.EPS = 100, 0, 10 }), 0},
		{"nothing", 1, nil, 0, load(func(*health.LoadReport) {}), 0},
		{"NaN everywhere", 1, nil, math.NaN(), &health.LoadReport{CPU: math.NaN(), Application: math.NaN(), RPS: math.NaN(), EPS: math.NaN()}, 0},
		{"NaN errors", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU, r.EPS = 100, 0.5, math.NaN() }), 200},
		{"endless rate", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU = math.Inf(1), 0.5 }), 0},
		{"endless utilization", 1, nil, 0, load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, math.Inf(1) }), 0},
	} {
		w := health.DefaultLoadWeighting()
		w.ErrorPenalty, w.Metrics = tc.penalty, tc.metrics
		if got := w.Of(tc.report, tc.rate); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestReportsCountAfterTheBlackoutAndUntilTheyExpire(t *testing.T) {
	w := health.DefaultLoadWeighting()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	report := load(func(r *health.LoadReport) { r.RPS, r.CPU = 100, 0.5 })
	var l health.LoadWeight
	// Each line is a second at which something is done, or the weight is looked at.
	for _, step := range []struct {
		at   int // seconds
		does string
		want float64
	}{
		{0, "", 0},
		{1, "report", 0},
		{6, "report", 0},
		{10, "", 0},
		{11, "", 200}, // ten seconds of reports
		{15, "", 200}, // the last one is nine seconds old
		{16, "junk", 200},
		{185, "", 200}, // junk is no report: the last one was at 6
		{186, "", 0},
		{187, "report", 0}, // the first one after a gap
		{196, "", 0},
		{197, "", 200},
		{198, "reset", 0},
		{199, "report", 0},
		{209, "", 200},
		{600, "report", 0}, // nobody looked at it while it expired
		{609, "", 0},
		{610, "", 200},
	} {
		now := start.Add(time.Duration(step.at) * time.Second)
		switch step.does {
		case "report":
			l.Update(w, report, 0, now)
		case "junk":
			l.Update(w, load(func(r *health.LoadReport) { r.RPS = 100 }), 0, now)
		case "reset":
			l.Reset()
		}
		if got := l.At(w, now); got != step.want {
			t.Errorf("second %d, %s: weight %v, want %v", step.at, step.does, got, step.want)
		}
	}
}

func TestWithoutABlackoutTheFirstReportCounts(t *testing.T) {
	w := health.DefaultLoadWeighting()
	w.Blackout = 0
	var l health.LoadWeight
	now := time.Now()
	l.Update(w, load(func(r *health.LoadReport) { r.CPU = 0.5 }), 50, now)
	if got := l.At(w, now); got != 100 {
		t.Errorf("weight %v, want 100", got)
	}
}

func TestLoadWeightingIsRefusedWithEveryReason(t *testing.T) {
	if err := health.DefaultLoadWeighting().Validate(); err != nil {
		t.Error(err)
	}
	err := health.LoadWeighting{Blackout: -1, UpdatePeriod: 99 * time.Millisecond, ErrorPenalty: -0.1}.Validate()
	for _, want := range []string{"blackout -1ns", "expiration 0s", "update period 99ms", "penalty -0.1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
	for _, penalty := range []float64{math.NaN(), math.Inf(1)} {
		w := health.DefaultLoadWeighting()
		if w.ErrorPenalty = penalty; w.Validate() == nil {
			t.Errorf("a penalty of %v was taken", penalty)
		}
	}
}
