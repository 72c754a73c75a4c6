package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/simulate"
)

// printReport shows a simulation as text: who got what, and then how that came
// over time.
func printReport(w io.Writer, r *simulate.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d requests in %v, %s\n\n", r.Service, r.Requests,
		time.Duration(r.Duration*float64(time.Second)).Round(time.Millisecond), count(int(r.Errors), "error"))
	b.WriteString(reportTable(r))
	for i, s := range r.Spills {
		if i == 0 {
			b.WriteString("\nspilled because a group was full:\n")
		}
		fmt.Fprintf(&b, "  %s to %s: %d\n", s.From, s.To, s.Requests)
	}
	fmt.Fprintf(&b, "\nrequests per second:\n%s", overTime(r))
	_, err := io.WriteString(w, b.String())
	return err
}

// reportTable has a row for each group, and below it one for each of its
// endpoints.
func reportTable(r *simulate.Report) string {
	recorded := len(r.Endpoints) > 0 && r.Endpoints[0].Recorded != nil
	var t table
	head := []any{"GROUP", "ENDPOINT", "MODE", right("CAPACITY"), right("FULLEST"), right("REQUESTS"), right("SHARE"), right("RECORDED"), right("FAILURES")}
	if !recorded {
		head[7] = ""
	}
	t.row(head...)
	for _, g := range r.Groups {
		row := []any{groupName(g.Group), "", g.Mode, "", "", g.Requests, percent(g.Share), "", ""}
		if g.Mode != "" {
			row[3], row[4] = right(fmt.Sprintf("%.4g", lastOf(g.Capacity))), percent(g.MaxFullness)
		}
		t.row(row...)
		for _, e := range r.Endpoints {
			if e.Group != g.Group {
				continue
			}
			row := []any{"", e.Endpoint, "", "", "", e.Requests, percent(e.Share), "", e.Failures}
			if recorded {
				row[7] = *e.Recorded
			}
			t.row(row...)
		}
	}
	return t.String()
}

func lastOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

func groupName(name string) string { return cmp.Or(name, "-") }

// rowsOverTime is how many rows a terminal has room for, beside the rest.
const rowsOverTime = 15

// overTime has a row for each part of the time: demand, and each group's rate.
func overTime(r *simulate.Report) string {
	var t table
	head := []any{right("SECONDS"), right("DEMAND")}
	for _, g := range r.Groups {
		head = append(head, right(groupName(g.Group)))
	}
	t.row(head...)
	step := (len(r.Time) + rowsOverTime - 1) / rowsOverTime
	for chunk := range slices.Chunk(indexes(len(r.Time)), max(step, 1)) {
		from, to := chunk[0], chunk[len(chunk)-1]+1
		row := []any{right(fmt.Sprintf("%g", r.Time[to-1])), right(meanOf(r.Time, r.Demand, from, to))}
		for _, g := range r.Groups {
			row = append(row, right(meanOf(r.Time, g.Rate, from, to)))
		}
		t.row(row...)
	}
	return t.String()
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// meanOf is the mean rate of the buckets from up to to, of which the last may be
// shorter than others.
func meanOf(ends, rates []float64, from, to int) string {
	sum, before := 0.0, 0.0
	if from > 0 {
		before = ends[from-1]
	}
	start := before
	for i := from; i < to; i++ {
		sum += rates[i] * (ends[i] - before)
		before = ends[i]
	}
	return fmt.Sprintf("%.1f", sum/(ends[to-1]-start))
}
