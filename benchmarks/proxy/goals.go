//go:build linux

package main

import "fmt"

// A goal is a figure of Spillway's in one scenario that is to be at most so much.
type goal struct {
	scenario string
	what     string
	most     float64
	figure   func(sec section, ours peerRun) (float64, bool)
}

// goals are those of HTTP/1.1, TCP, TLS and UDP.
var goals = []goal{
	{"S1", "CPU, of nginx's", 0.72, costBy("nginx")},
	{"S1", "CPU, of HAProxy's", 0.70, costBy("haproxy")},
	{"S1", "CPU, of Caddy's", 0.15, costBy("caddy")},
	{"S1", "system calls per request", 4.2, callsInAll},
	{"S2", "CPU, of nginx's", 0.65, costBy("nginx")},
	{"S2", "CPU, of HAProxy's", 0.55, costBy("haproxy")},
	{"S3", "CPU, of nginx's", 0.60, costBy("nginx")},
	{"S3", "CPU, of HAProxy's that splices", 1, costBy("haproxy-splice")},
	{"S4a", "CPU, of nginx's", 0.60, costBy("nginx")},
	{"S4b", "CPU, of nginx's", 0.60, costBy("nginx")},
	{"S4b", "CPU, of HAProxy's that splices", 1, costBy("haproxy-splice")},
	{"S5", "CPU, of nginx's", 0.75, costBy("nginx")},
	{"S5", "CPU, of HAProxy's", 0.70, costBy("haproxy")},
	{"S6a", "CPU, of nginx's", 0.25, costBy("nginx")},
	{"S6a", "CPU, of HAProxy's that splices", 1, costBy("haproxy-splice")},
	{"S6b", "CPU, of nginx's", 0.25, costBy("nginx")},
	{"S6b", "CPU, of HAProxy's that splices", 1, costBy("haproxy-splice")},
	{"S7", "CPU, of nginx's", 0.96, costBy("nginx")},
	{"S7", "CPU, of HAProxy's", 0.92, costBy("haproxy")},
	{"S8", "CPU, of nginx's", 0.95, costBy("nginx")},
	{"S8", "CPU, of HAProxy's", 0.95, costBy("haproxy")},
	{"U1", "CPU, of nginx's", 1, costBy("nginx")},
	{"S10a", "CPU, of nginx's", 0.90, costBy("nginx")},
	{"S10b", "CPU, of nginx's", 1, costBy("nginx")},
	{"S9", "resident bytes per idle connection", 256, costItself},
	{"S1u", "p99, of nginx's", 1, tailBy("nginx")},
	{"SlowH", movedWhat, 1, tailMoved},
	{"SlowB", movedWhat, 1, tailMoved},
	{"SlowX", movedWhat, 1, tailMoved},
}

// movedWhat: the rounds without slow clients differ from each other, and only what is beyond the worst of them is an effect.
const movedWhat = "p99 beside slow clients, of the highest round's without"

func costBy(peer string) func(section, peerRun) (float64, bool) {
	return func(sec section, ours peerRun) (float64, bool) {
		theirs, _ := sec.find(peer)
		s, ok := ratio(sec.Scenario, ours, theirs)
		return s.median, ok
	}
}

func tailBy(peer string) func(section, peerRun) (float64, bool) {
	return func(sec section, ours peerRun) (float64, bool) {
		theirs, found := sec.find(peer)
		return ours.of(tail).median / theirs.of(tail).median, found
	}
}

func tailMoved(_ section, ours peerRun) (float64, bool) {
	return ours.of(tail).median / ours.of(calmTail).high, true
}

func callsInAll(_ section, ours peerRun) (sum float64, ok bool) {
	for _, n := range ours.calls() {
		sum += n
	}
	return sum, sum > 0
}

func costItself(sec section, ours peerRun) (float64, bool) {
	return ours.of(sec.Scenario.cost).median, true
}

// goalTable has a row for each goal that this report can judge, and a column for each Spillway; "" when there is no row.
func (r report) goalTable() string {
	rows := [][]string{append([]string{"scenario", "goal", "at most"}, r.Ours...)}
	for _, g := range goals {
		row := []string{g.scenario, g.what, number(g.most)}
		judged := false
		for _, name := range r.Ours {
			cell := r.judge(g, name)
			judged = judged || cell != "-"
			row = append(row, cell)
		}
		if judged {
			rows = append(rows, row)
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return markdownTable(rows)
}

// judge says how far one Spillway is with a goal, "-" when that was not measured.
func (r report) judge(g goal, name string) string {
	for _, sec := range r.Sections {
		ours, found := sec.find(name)
		if sec.Scenario.Name != g.scenario || !found {
			continue
		}
		if v, ok := g.figure(sec, ours); ok {
			verdict := "met"
			if v > g.most {
				verdict = "**not met**"
			}
			return fmt.Sprintf("%s %s", number(v), verdict)
		}
	}
	return "-"
}
