package orca

import (
	"fmt"
	"math"
	"strings"

	orcapb "github.com/cncf/xds/go/xds/data/orca/v3"

	"github.com/spillway-lb/spillway/health"
)

// A reader makes reports of messages. Its report is used again.
type reader struct {
	named  []string
	report health.LoadReport
}

func newReader(metrics []string) *reader {
	r := new(reader)
	for _, m := range metrics {
		if name, ok := strings.CutPrefix(m, "orca.named_metrics."); ok {
			r.named = append(r.named, name)
		}
	}
	return r
}

// read returns the report, or what is wrong with it. A number that is 0 is not
// reported: it is how the wire format says so; named metrics have other means.
func (r *reader) read(m *orcapb.OrcaLoadReport) (*health.LoadReport, error) {
	named := r.report.Named[:0]
	r.report = health.NoLoadReport()
	for _, f := range [...]struct {
		to    *float64
		name  string
		value float64
	}{
		{&r.report.CPU, "cpu_utilization", m.GetCpuUtilization()},
		{&r.report.Memory, "mem_utilization", m.GetMemUtilization()},
		{&r.report.Application, "application_utilization", m.GetApplicationUtilization()},
		{&r.report.RPS, "rps_fractional", m.GetRpsFractional()},
		{&r.report.EPS, "eps", m.GetEps()},
	} {
		if !isLoad(f.value) {
			return nil, bad(f.name, f.value)
		}
		if f.value != 0 {
			*f.to = f.value
		}
	}
	for _, name := range r.named {
		value, ok := m.GetNamedMetrics()[name]
		switch {
		case !ok:
		case !isLoad(value):
			return nil, bad("named_metrics."+name, value)
		default:
			named = append(named, health.NamedMetric{Name: name, Value: value})
		}
	}
	r.report.Named = named
	return &r.report, nil
}

// isLoad reports whether a number may be one of a report.
func isLoad(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

func bad(name string, value float64) error {
	return fmt.Errorf("%w: %s is %v, not a number from 0 on", health.ErrLoadReport, name, value)
}
