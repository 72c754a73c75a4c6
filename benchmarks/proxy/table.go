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

// versus heads the column of ratios.
const versus = subject + " ÷ this"

// A report is all that one call of the program found out.
type report struct {
	About    []string // machine, versions, command line
	Notes    []string // what was left out, and why
	Pinned   bool
	Sections []section
}

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
	b.WriteString("\n## Summary\n\nWhat one operation costs the proxy, medians; in brackets: " + subject + "'s cost divided by it.\n\n")
	b.WriteString(r.summary())
	for _, sec := range r.Sections {
		b.WriteString("\n" + r.details(sec))
	}
	return b.String()
}

// names lists all proxies that took part anywhere, in the order of allPeers: the subject is last.
func (r report) names() []string {
	var names []string
	for _, p := range allPeers() {
		if slices.ContainsFunc(r.Sections, func(sec section) bool {
			return slices.ContainsFunc(sec.Runs, func(run peerRun) bool { return run.Name == p.name })
		}) {
			names = append(names, p.name)
		}
	}
	return names
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
	names := r.names()
	rows := [][]string{append([]string{"scenario", "unit"}, names...)}
	for _, sec := range r.Sections {
		row := []string{sec.Scenario.Name, sec.Scenario.costUnit()}
		ours, have := sec.find(subject)
		for _, name := range names {
			run, found := sec.find(name)
			if !found {
				row = append(row, "-")
				continue
			}
			cell := number(run.of(sec.Scenario.cost).median)
			if have && name != subject {
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
	if sc.Kind == idle {
		b.WriteString(idleTable(sec))
	} else {
		b.WriteString(workTable(sec))
	}
	for _, remark := range r.remarks(sec) {
		fmt.Fprintf(&b, "\n- %s", remark)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func idleTable(sec section) string {
	sc := sec.Scenario
	rows := [][]string{{"proxy", sc.costUnit(), versus, "RSS before, MiB", "RSS after, MiB", "connections", "errors"}}
	ours, _ := sec.find(subject)
	for _, run := range measured(sec) {
		mib := func(figure func(result) int64) string {
			return number(run.of(func(r result) float64 { return float64(figure(r)) / (1 << 20) }).median)
		}
		rows = append(rows, []string{
			run.Name, run.of(sc.cost).String(), ratioCell(sc, ours, run),
			mib(func(r result) int64 { return r.RSSBefore }), mib(func(r result) int64 { return r.RSSAfter }),
			fmt.Sprint(run.Results[0].Ops), fmt.Sprint(run.errors()),
		})
	}
	return markdownTable(rows)
}

func workTable(sec section) string {
	sc := sec.Scenario
	traced := slices.ContainsFunc(sec.Runs, func(r peerRun) bool { return len(r.calls()) > 0 })
	head := []string{"proxy", sc.costUnit(), versus, sc.rateUnit(), "p50", "p99", "proxy's core", "load's core", "errors"}
	if traced {
		head = append(head, "system calls per "+callUnit(sc))
	}
	rows := [][]string{head}
	ours, _ := sec.find(subject)
	for _, run := range measured(sec) {
		row := []string{
			run.Name, run.of(sc.cost).String(), ratioCell(sc, ours, run), number(run.of(sc.rate).median),
			latencyCell(run.of(func(r result) float64 { return float64(r.P50) }).median),
			latencyCell(run.of(func(r result) float64 { return float64(r.P99) }).median),
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
