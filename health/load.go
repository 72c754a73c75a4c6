package health

// A LoadReport is what an endpoint says of its own load, in ORCA's words (Open
// Request Cost Aggregation, xds.data.orca.v3.OrcaLoadReport). A number below 0
// is not reported.
type LoadReport struct {
	// CPU, Memory and Application are utilizations: 1 is all of it, and CPU and
	// Application may be more.
	CPU, Memory, Application float64
	// RPS and EPS are requests and errors per second.
	RPS, EPS float64
	// Named are the metrics of the endpoint's own (named_metrics).
	Named []NamedMetric
}

// A NamedMetric is one entry of named_metrics.
type NamedMetric struct {
	Name  string
	Value float64
}

// NoLoadReport reports nothing.
func NoLoadReport() LoadReport {
	return LoadReport{CPU: -1, Memory: -1, Application: -1, RPS: -1, EPS: -1}
}

// Value returns the metric of that name, as spec.md §2.6 names them:
// "orca.cpu_utilization", "orca.mem_utilization", "orca.application_utilization",
// "orca.named_metrics.gpu". It is false where it was not reported.
func (r *LoadReport) Value(metric string) (float64, bool) {
	const named = "orca.named_metrics."
	switch {
	case metric == "orca.cpu_utilization":
		return r.CPU, r.CPU >= 0
	case metric == "orca.mem_utilization":
		return r.Memory, r.Memory >= 0
	case metric == "orca.application_utilization":
		return r.Application, r.Application >= 0
	case len(metric) > len(named) && metric[:len(named)] == named:
		for _, m := range r.Named {
			if m.Name == metric[len(named):] {
				return m.Value, m.Value >= 0
			}
		}
	}
	return 0, false
}
