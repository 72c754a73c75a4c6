package simulate

import (
	"time"

	"github.com/spillway-lb/spillway/capacity"
)

// A Report is what a simulation has found out. Times are in seconds, rates in
// requests per second.
type Report struct {
	Service  string  `json:"service"`
	Duration float64 `json:"duration"`
	Requests uint64  `json:"requests"`
	// Errors is how many of them nobody served: whoever was tried was down, or
	// there was nobody to try.
	Errors    uint64           `json:"errors"`
	Endpoints []EndpointReport `json:"endpoints"` // by ID
	Groups    []GroupReport    `json:"groups"`    // in the order of the file
	Spills    []SpillReport    `json:"spills"`
	// Time has the ends of the buckets that every list of rates is by.
	Time   []float64 `json:"time"`
	Demand []float64 `json:"demand"`
}

// An EndpointReport is what one endpoint got.
type EndpointReport struct {
	Endpoint string `json:"endpoint"`
	Group    string `json:"group"`
	Requests uint64 `json:"requests"` // that it served
	// Share is its part of all that were served, from 0 to 1.
	Share float64 `json:"share"`
	// Recorded is how many it had where Options.Recorded comes from.
	Recorded *uint64 `json:"recorded,omitempty"`
	// Failures is how often it was tried while it was down.
	Failures uint64    `json:"failures"`
	Rate     []float64 `json:"rate"`
}

// A GroupReport is what one group got. What is about capacity is 0 in a service
// without.
type GroupReport struct {
	Group    string  `json:"group"`
	Region   string  `json:"region"`
	Zone     string  `json:"zone"`
	Mode     string  `json:"balancing_mode"` // "" for none
	Requests uint64  `json:"requests"`
	Share    float64 `json:"share"`
	// MaxRate is the highest rate of a bucket, MaxFullness the highest fullness
	// that was seen at the end of one: 1 is full.
	MaxRate     float64   `json:"max_rate"`
	MaxFullness float64   `json:"max_fullness"`
	Rate        []float64 `json:"rate"`
	Capacity    []float64 `json:"capacity"`
	Usage       []float64 `json:"usage"`
	Fullness    []float64 `json:"fullness"`
}

// A SpillReport is what went to another group because one was full.
type SpillReport struct {
	From     string    `json:"from"`
	To       string    `json:"to"`
	Requests uint64    `json:"requests"`
	Rate     []float64 `json:"rate"`
}

func (r *run) result() *Report {
	served := r.total.requests - r.total.failed
	n := len(r.record.ends)
	rates := func(t *tally) []float64 { return t.rates(n, r.o.Bucket, r.o.Duration) }
	rep := &Report{
		Service:   r.o.Service.Name,
		Duration:  r.o.Duration.Seconds(),
		Requests:  r.total.requests,
		Errors:    r.total.failed,
		Endpoints: make([]EndpointReport, len(r.endpoints)),
		Groups:    make([]GroupReport, len(r.o.Service.Groups)),
		Spills:    make([]SpillReport, len(r.record.spills)),
		Time:      make([]float64, n),
		Demand:    rates(&r.total),
	}
	for i, end := range r.record.ends {
		rep.Time[i] = end.Seconds()
	}
	for i := range rep.Groups {
		rep.Groups[i] = r.group(i)
	}
	for i, e := range r.endpoints {
		g := &rep.Groups[e.group]
		rep.Endpoints[i] = EndpointReport{
			Endpoint: e.id, Group: g.Group, Requests: e.count.requests, Failures: e.count.failed,
			Share: part(e.count.requests, served), Rate: rates(&e.count),
		}
		if r.o.Recorded != nil {
			recorded := r.o.Recorded[e.id]
			rep.Endpoints[i].Recorded = &recorded
		}
		g.Requests += e.count.requests
		for j, rate := range rep.Endpoints[i].Rate {
			g.Rate[j] += rate
			g.MaxRate = max(g.MaxRate, g.Rate[j])
		}
	}
	for i := range rep.Groups {
		rep.Groups[i].Share = part(rep.Groups[i].Requests, served)
	}
	for i := range r.record.spills {
		rep.Spills[i] = r.spill(&r.record.spills[i])
	}
	return rep
}

// group is what the balancer knew of the i-th group over time.
func (r *run) group(i int) GroupReport {
	spec, n := &r.o.Service.Groups[i], len(r.record.ends)
	g := GroupReport{
		Group: spec.Name, Region: spec.Region, Zone: spec.Zone,
		Rate: make([]float64, n), Capacity: make([]float64, n), Usage: make([]float64, n), Fullness: make([]float64, n),
	}
	if spec.Capacity.Mode != capacity.NoMode {
		g.Mode = spec.Capacity.Mode.String()
	}
	for j, samples := range r.record.groups {
		s := samples[i]
		g.Capacity[j], g.Usage[j], g.Fullness[j] = s.capacity, s.usage, s.fullness
		g.MaxFullness = max(g.MaxFullness, s.fullness)
	}
	return g
}

func (r *run) spill(s *spillSample) SpillReport {
	rep := SpillReport{From: s.from, To: s.to, Rate: make([]float64, len(r.record.ends))}
	var before time.Duration
	for i, end := range r.record.ends {
		if i < len(s.counts) {
			rep.Requests += s.counts[i]
			rep.Rate[i] = float64(s.counts[i]) / (end - before).Seconds()
		}
		before = end
	}
	return rep
}

// part is a of b, from 0 to 1; 0 of nothing.
func part(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
