//go:build linux

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A report is all that one call of the program found out.
type report struct {
	About    []string // machine, versions, command line
	Notes    []string // what was left out, and why
	Names    []string // of the proxies, in the order of columns
	Ours     []string // those of them that are Spillways
	Subject  string   // the one of those that all others are compared with
	Sections []section
}

// take names the columns.
func (r *report) take(peers []*peer) {
	for _, p := range peers {
		r.Names = append(r.Names, p.name)
		if p.ours {
			r.Ours = append(r.Ours, p.name)
		}
	}
	r.Subject = subjectOf(peers)
}

// versus heads the column of ratios.
func (r report) versus() string { return r.Subject + " ÷ this" }

// number prints three significant digits, and no more than two decimals: 0.69, 29.6, 1527.
func number(v float64) string {
	switch {
	case v >= 99.95 || v <= -99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995 || v <= -9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.low), number(s.high))
}

// markdown is the whole report: what it was measured on, one line for each scenario, then the details of each.
func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# Proxy CPU on the same work\n\n")
	for _, line := range r.About {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for _, line := range r.Notes {
		fmt.Fprintf(&b, "- Left out: %s\n", line)
	}
	b.WriteString("\n## Summary\n\nWhat one operation costs the proxy, medians; in brackets: " + r.Subject + "'s cost divided by it.\n\n")
	b.WriteString(r.summary())
	if goals := r.goalTable(); goals != "" {
		b.WriteString("\n## Goals\n\n" + goals)
	}
	for _, sec := range r.Sections {
		b.WriteString("\n" + r.details(sec))
	}
	return b.String()
}

func (sec section) find(name string) (peerRun, bool) {
	for _, run := range sec.Runs {
		if run.Name == name && len(run.Results) > 0 {
			return run, true
		}
	}
	return peerRun{}, false
}

func (r report) summary() string {
	rows := [][]string{append([]string{"scenario", "unit"}, r.Names...)}
	for _, sec := range r.Sections {
		row := []string{sec.Scenario.Name, sec.Scenario.costUnit()}
		ours, have := sec.find(r.Subject)
		for _, name := range r.Names {
			run, found := sec.find(name)
			if !found {
				row = append(row, "-")
				continue
			}
			cell := number(run.of(sec.Scenario.cost).median)
			if have && name != r.Subject {
				if s, ok := ratio(sec.Scenario, ours, run); ok {
					cell += " (" + number(s.median) + ")"
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return markdownTable(rows)
}

// details is one scenario: a row for each proxy, then what makes its figures doubtful.
func (r report) details(sec section) string {
	sc := sec.Scenario
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n", sc.Name, sc.Title)
	switch sc.Kind {
	case idle:
		b.WriteString(r.idleTable(sec))
	case besides:
		b.WriteString(besidesTable(sec))
	default:
		b.WriteString(r.workTable(sec))
	}
	for _, remark := range remarks(sec) {
		fmt.Fprintf(&b, "\n- %s", remark)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (r report) idleTable(sec section) string {
	sc := sec.Scenario
	rows := [][]string{{"proxy", sc.costUnit(), r.versus(), "RSS before, MiB", "RSS after, MiB", "connections", "errors"}}
	ours, _ := sec.find(r.Subject)
	for _, run := range measured(sec) {
		rows = append(rows, []string{
			run.Name, run.of(sc.cost).String(), ratioCell(sc, ours, run),
			run.mebibytes(rssBefore), run.mebibytes(rssAfter),
			fmt.Sprint(run.Results[0].Ops), fmt.Sprint(run.errors()),
		})
	}
	return markdownTable(rows)
}

// besidesTable is about the others' patience and the proxy's memory; the scenario's cost is the column beside slow clients.
func besidesTable(sec section) string {
	rows := [][]string{{
		"proxy", "p50 before", "p50 beside", "p99 before", "p99 beside",
		"RSS before, MiB", "RSS peak, MiB", "RSS after, MiB", "slow clients held", "proxy's core", "errors",
	}}
	for _, run := range measured(sec) {
		rows = append(rows, []string{
			run.Name,
			latencyCell(run.of(calmMedian).median), latencyCell(run.of(median50).median),
			latencySpread(run.of(calmTail)), latencySpread(run.of(tail)),
			run.mebibytes(rssBefore), run.mebibytes(rssPeak), run.mebibytes(rssAfter),
			number(run.of(held).median), percent(run.of(proxyBusy).median), fmt.Sprint(run.errors()),
		})
	}
	return markdownTable(rows)
}

func (r report) workTable(sec section) string {
	sc := sec.Scenario
	traced := slices.ContainsFunc(sec.Runs, func(r peerRun) bool { return len(r.calls()) > 0 })
	head := []string{"proxy", sc.costUnit(), r.versus(), sc.rateUnit(), "p50", "p99", "proxy's core", "load's core", "errors"}
	if traced {
		head = append(head, "system calls per "+callUnit(sc))
	}
	rows := [][]string{head}
	ours, _ := sec.find(r.Subject)
	for _, run := range measured(sec) {
		row := []string{
			run.Name, run.of(sc.cost).String(), ratioCell(sc, ours, run), number(run.of(sc.rate).median),
			latencyCell(run.of(median50).median), latencyCell(run.of(tail).median),
			percent(run.of(proxyBusy).median), percent(run.of(loadBusy).median), fmt.Sprint(run.errors()),
		}
		if traced {
			row = append(row, callsCell(run.calls()))
		}
		rows = append(rows, row)
	}
	return markdownTable(rows)
}

// measured are the runs that have at least one result.
func measured(sec section) []peerRun {
	return slices.DeleteFunc(slices.Clone(sec.Runs), func(r peerRun) bool { return len(r.Results) == 0 })
}

func (r peerRun) calls() map[string]float64 {
	if len(r.Results) == 0 {
		return nil
	}
	return r.Results[0].SystemCalls
}

func percent(v float64) string { return strconv.FormatFloat(v*100, 'f', 0, 64) + " %" }

func latencyCell(nanoseconds float64) string {
	if nanoseconds == 0 {
		return "-"
	}
	return number(nanoseconds/1e6) + " ms"
}

func latencySpread(s spread) string {
	return spread{s.median / 1e6, s.low / 1e6, s.high / 1e6}.String() + " ms"
}

func (r peerRun) mebibytes(figure func(result) float64) string {
	return number(r.of(figure).median / (1 << 20))
}

func ratioCell(sc scenario, ours, theirs peerRun) string {
	if ours.Name == theirs.Name {
		return "1"
	}
	s, ok := ratio(sc, ours, theirs)
	if !ok {
		return "-"
	}
	return s.String()
}

func callUnit(sc scenario) string {
	if sc.Kind == stream {
		return "MB"
	}
	return "operation"
}

// callsCell is the sum and the five most frequent.
func callsCell(calls map[string]float64) string {
	if len(calls) == 0 {
		return "-"
	}
	sum := 0.0
	for _, n := range calls {
		sum += n
	}
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		return cmp.Or(cmp.Compare(calls[b], calls[a]), cmp.Compare(a, b))
	})
	var top []string
	for _, name := range names[:min(5, len(names))] {
		top = append(top, name+" "+number(calls[name]))
	}
	return number(sum) + ": " + strings.Join(top, ", ")
}

// markdownTable aligns columns, so that the file also reads well as text. The first row is the head.
func markdownTable(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
	}
	line(rows[0])
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	line(rule)
	for _, row := range rows[1:] {
		line(row)
	}
	return b.String()
}
