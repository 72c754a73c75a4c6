package admin

import (
	"time"

	"github.com/spillway-lb/spillway/health"
)

// A LoadReport is what an endpoint said of its load, in ORCA's names. What it did
// not say is not there.
type LoadReport struct {
	// Age is how old it is, in seconds.
	Age float64 `json:"age"`
	// CPU, Memory and Application are utilizations: 1 is all of it.
	CPU         *float64 `json:"cpu_utilization,omitempty"`
	Memory      *float64 `json:"mem_utilization,omitempty"`
	Application *float64 `json:"application_utilization,omitempty"`
	// RPS and EPS are requests and errors per second.
	RPS *float64 `json:"rps,omitempty"`
	EPS *float64 `json:"eps,omitempty"`
	// Named are the endpoint's own.
	Named map[string]float64 `json:"named_metrics,omitempty"`
}

// viewLoad returns nil for no report.
func viewLoad(r *health.LoadReport, age time.Duration) *LoadReport {
	if r == nil {
		return nil
	}
	v := &LoadReport{
		Age: age.Seconds(),
		CPU: reported(r.CPU), Memory: reported(r.Memory), Application: reported(r.Application),
		RPS: reported(r.RPS), EPS: reported(r.EPS),
	}
	for _, m := range r.Named {
		if v.Named == nil {
			v.Named = make(map[string]float64, len(r.Named))
		}
		v.Named[m.Name] = finite(m.Value)
	}
	return v
}

// reported returns nil for a number below 0, which was not reported.
func reported(x float64) *float64 {
	if !(x >= 0) {
		return nil
	}
	x = finite(x)
	return &x
}
