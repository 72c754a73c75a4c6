package simulate

import (
	"cmp"
	"slices"

	"github.com/spillway-lb/spillway/internal/plot"
)

// Figure is a picture of the report: demand and who took it, and for a service
// with capacity how full groups were and what they spilled.
func (r *Report) Figure() *plot.Figure {
	f := &plot.Figure{Title: r.Service, X: "seconds", Panels: []plot.Panel{r.traffic()}}
	if slices.ContainsFunc(r.Groups, func(g GroupReport) bool { return g.Mode != "" }) {
		f.Panels = append(f.Panels, r.fullness())
	}
	if len(r.Spills) > 0 {
		f.Panels = append(f.Panels, r.spill())
	}
	return f
}

// traffic stacks the groups: the area of each stands on that of the one before, so
// together they reach up to the demand.
func (r *Report) traffic() plot.Panel {
	p := plot.Panel{Title: "requests per second"}
	sum := make([]float64, len(r.Time))
	for i, g := range r.Groups {
		for j, rate := range g.Rate {
			sum[j] += rate
		}
		p.Lines = append(p.Lines, plot.Line{Name: groupName(g.Group), X: r.Time, Y: slices.Clone(sum), Color: i, Look: plot.Area})
	}
	slices.Reverse(p.Lines) // the highest first, so that the others are seen
	p.Lines = append(p.Lines, plot.Line{Name: "demand", X: r.Time, Y: r.Demand, Color: plot.Ink, Look: plot.Dashed})
	return p
}

func (r *Report) fullness() plot.Panel {
	p := plot.Panel{Title: "fullness in percent", Least: 100}
	full := slices.Repeat([]float64{100}, len(r.Time))
	p.Lines = append(p.Lines, plot.Line{Name: "full", X: r.Time, Y: full, Color: plot.Ink, Look: plot.Dashed})
	for i, g := range slices.Backward(r.Groups) {
		percent := make([]float64, len(g.Fullness))
		for j, x := range g.Fullness {
			percent[j] = 100 * x
		}
		p.Lines = append(p.Lines, plot.Line{Name: groupName(g.Group), X: r.Time, Y: percent, Color: i})
	}
	return p
}

// spill shows where full groups' traffic went, in the colours of those who took
// it.
func (r *Report) spill() plot.Panel {
	p := plot.Panel{Title: "spilled requests per second"}
	for _, s := range r.Spills {
		to := slices.IndexFunc(r.Groups, func(g GroupReport) bool { return g.Group == s.To })
		p.Lines = append(p.Lines, plot.Line{Name: s.From + " to " + s.To, X: r.Time, Y: s.Rate, Color: to})
	}
	return p
}

func groupName(name string) string { return cmp.Or(name, "endpoints") }
