package poll

import (
	"bytes"
	"fmt"
	"math"
	"mime"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/spillway-lb/spillway/health"
)

// accept lists the pages that Parse reads.
const accept = "application/json, text/plain;version=0.0.4;q=0.9"

// Parse reads a page. Of named metrics it keeps those among metrics, whose names
// are as health.LoadReport.Value takes them. Every error is a health.ErrLoadReport.
func Parse(page health.Page, metrics ...string) (health.LoadReport, error) {
	kind, _, err := mime.ParseMediaType(page.ContentType)
	switch {
	case err == nil && kind == "application/json":
		report := health.NoLoadReport()
		err := health.NewLoadReader(metrics...).Read(health.LoadJSON, page.Body, &report)
		return report, err
	case err == nil && kind == "text/plain":
		return parseText(page.Body, metrics)
	}
	return health.NoLoadReport(), bad("the Content-Type is %q; application/json and text/plain are read", page.ContentType)
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", health.ErrLoadReport, fmt.Sprintf(format, args...))
}

// parseText reads what Prometheus scrapes.
func parseText(body []byte, metrics []string) (health.LoadReport, error) {
	none := health.NoLoadReport()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return none, bad("%v", err)
	}
	p := page{families: families}
	r := health.NoLoadReport()
	r.CPU = p.value("cpu_utilization")
	r.Memory = p.value("mem_utilization")
	r.Application = p.value("application_utilization")
	r.RPS = p.value("rps_fractional")
	r.EPS = p.value("eps")
	for _, m := range metrics {
		name, ok := strings.CutPrefix(m, "orca.named_metrics.")
		if !ok {
			continue
		}
		if v := p.value("named_metrics_"+plain.Replace(name), plain.Replace(name)); v >= 0 {
			r.Named = append(r.Named, health.NamedMetric{Name: name, Value: v})
		}
	}
	switch {
	case p.err != nil:
		return none, p.err
	case p.found == 0:
		return none, bad("the page has no metric of a report")
	}
	return r, nil
}

// plain makes the name of a gauge of a metric's.
var plain = strings.NewReplacer(".", "_", "-", "_")

// A page is what was parsed, and what of it was found and wrong.
type page struct {
	families map[string]*dto.MetricFamily
	found    int
	err      error // the first
}

// value is that of the first of the families that there is, or -1.
func (p *page) value(names ...string) float64 {
	for _, name := range names {
		f := p.families[name]
		if f == nil {
			continue
		}
		p.found++
		v, err := single(f)
		if err != nil && p.err == nil {
			p.err = err
		}
		return v
	}
	return -1
}

// single is the value of a family that has one.
func single(f *dto.MetricFamily) (float64, error) {
	if n := len(f.GetMetric()); n != 1 {
		return -1, bad("%s has %d values: which of them counts?", f.GetName(), n)
	}
	m := f.GetMetric()[0]
	var v float64
	switch f.GetType() {
	case dto.MetricType_GAUGE:
		v = m.GetGauge().GetValue()
	case dto.MetricType_UNTYPED:
		v = m.GetUntyped().GetValue()
	default:
		return -1, bad("%s is a %s, not a gauge", f.GetName(), strings.ToLower(f.GetType().String()))
	}
	if !(v >= 0) || math.IsInf(v, 1) {
		return -1, bad("%s is %v, not a number from 0 on", f.GetName(), v)
	}
	return v, nil
}
