package lb

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/health"
)

// parseReports makes members of words: health and marks as parseMember has them,
// then a colon and what the endpoint reported, reply by reply: a number, ! for an
// invalid weight, - for none, nothing for a check without a reply.
func parseReports(line string) []*member {
	var members []*member
	for i, word := range strings.Fields(line) {
		state, replies, _ := strings.Cut(word, ":")
		m := parseMember(i, state)
		for _, reply := range strings.Split(replies, ",") {
			switch n, err := strconv.ParseUint(reply, 10, 32); {
			case reply == "!":
				m.report.note(health.Weight{State: health.WeightInvalid})
			case reply == "-":
				m.report.note(health.Weight{State: health.WeightMissing})
			case err == nil:
				m.report.note(health.Weight{State: health.WeightValid, Value: uint32(n)})
			default:
				m.report.note(health.Weight{})
			}
		}
		members = append(members, m)
	}
	return members
}

// The configured weight of everybody is 3.
func TestReportedWeightsCountAllOrNothing(t *testing.T) {
	for _, tc := range []struct {
		members string
		weights string
		errors  string
	}{
		{"H:10 H:20", "10 20", "WEIGHT_NONE WEIGHT_NONE"},
		{"H:10 H:-", "3 3", "WEIGHT_NONE MISSING_WEIGHT"},
		{"H:10 H:!", "3 3", "WEIGHT_NONE INVALID_WEIGHT"},
		{"H:10 U:!", "3 3", "WEIGHT_NONE INVALID_WEIGHT"}, // ill, but it answered
		{"H:10 Hd:!", "3 3", "WEIGHT_NONE INVALID_WEIGHT"},
		{"H:10 T:!", "10 10", "WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:10 ?:-", "10 10", "WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		// Only the last reply counts, and a check without a reply is none.
		{"H:! H:-,!,7", "3 3", "INVALID_WEIGHT WEIGHT_NONE"},
		{"H:9 H:-,!,7", "9 7", "WEIGHT_NONE WEIGHT_NONE"},
		{"H:9 H:7,-", "3 3", "WEIGHT_NONE MISSING_WEIGHT"},
		{"H:9 U:7,", "9 7", "WEIGHT_NONE WEIGHT_NONE"}, // refused since
		// Unavailable: its last valid weight, else the mean.
		{"H:10 T:7", "10 7", "WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:10 T:7,!", "10 7", "WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:10 H:20 T:", "10 20 15", "WEIGHT_NONE WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:10 H:21 *:", "10 21 16", "WEIGHT_NONE WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:0 H:0 H:1 U:", "0 0 1 1", "WEIGHT_NONE WEIGHT_NONE WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"H:0 T:", "0 0", "WEIGHT_NONE UNAVAILABLE_WEIGHT"},
		{"T:5 T:", "5 5", "UNAVAILABLE_WEIGHT UNAVAILABLE_WEIGHT"},
		// Nobody has ever said anything: just switched on, or all are silent.
		{"H: H:", "3 3", "WEIGHT_NONE WEIGHT_NONE"},
		{"?: T:!", "3 3", "UNAVAILABLE_WEIGHT UNAVAILABLE_WEIGHT"},
		{"H: H:4", "4 4", "WEIGHT_NONE WEIGHT_NONE"},
		// Weight 0 in the file is the last word.
		{"H0:10 H:20", "0 20", "WEIGHT_NONE WEIGHT_NONE"},
		{"H:1000 H:0 H:1", "1000 0 1", "WEIGHT_NONE WEIGHT_NONE WEIGHT_NONE"},
	} {
		members := parseReports(tc.members)
		weights, ok := reportedWeights(members)
		if !ok {
			weights = []uint32{3, 3, 3, 3}[:len(members)]
		}
		var errors []string
		for _, m := range members {
			errors = append(errors, m.weightError().String())
		}
		if got := strings.Trim(fmt.Sprint(weights), "[]"); got != tc.weights {
			t.Errorf("%q: weights %s, want %s", tc.members, got, tc.weights)
		}
		if got := strings.Join(errors, " "); got != tc.errors {
			t.Errorf("%q: errors %s, want %s", tc.members, got, tc.errors)
		}
	}
}

// spec.md §4.7 has four steps; with a closed panic, or a policy that drops, those
// of the ill fall out.
func TestWeightZeroYieldsEvenToTheIll(t *testing.T) {
	for _, tc := range []struct {
		members string
		r       rules
		want    string
	}{
		{"H:5 H:0 U:9", rules{panic: PanicOpen}, "5 0 0"},
		{"H:0 U:5 T:7", rules{panic: PanicOpen}, "0 5 7"},
		{"H:0 U:5 T:7", rules{panic: PanicClosed}, "1 0 0"},
		// Failover comes first: the pool's healthy ones, and weights among them.
		{"H:0 U:5 T:7", rules{failover: &Failover{}}, "1 0 0"},
		{"H:0 H:0 U:9 Hb:9", rules{failover: &Failover{}}, "1 1 0 0"},
		{"U:0 T:7", rules{failover: &Failover{}}, "0 7"},
		{"U:0 T:0 Ub:3", rules{failover: &Failover{}}, "1 1 0"},
		{"H:0 U:5 T:7", rules{failover: &Failover{DropIfUnhealthy: true}, panic: PanicOpen}, "1 0 0"},
		{"H:0 H:0 U:0", rules{panic: PanicOpen}, "1 1 0"}, // spread equally over the healthy ones
		{"U:0 T:0", rules{panic: PanicOpen}, "1 1"},
		{"U:0 T:0", rules{}, "0 0"},
		{"U:0 T:4", rules{panic: PanicOpen}, "0 4"},
		{"H:0 ?:4", rules{}, "0 4"},
		{"H:0 ?:0", rules{}, "1 0"},
		{"Hd:5 H:0", rules{}, "0 1"},
		// In a panic health does not count, and weights do.
		{"H:5 U:0 U:7", rules{panic: PanicOpen, threshold: 50}, "5 0 7"},
		{"H:0 U:0 U:0", rules{panic: PanicOpen, threshold: 50}, "1 1 1"},
		{"H:5 U:0 U:7", rules{threshold: 50}, "0 0 0"},
		// Failover counts heads, not weights; weights count in the pool it chooses.
		{"H:0 H:0 Hb:9", rules{failover: &Failover{Ratio: 1}}, "1 1 0"},
		{"H:500 U:500 Hb:3 Hb:0", rules{failover: &Failover{Ratio: 1}}, "0 0 3 0"},
	} {
		tc.r.reports = true
		d := eligible(parseReports(tc.members), tc.r)
		if got := strings.Trim(fmt.Sprint(d.shares), "[]"); got != tc.want {
			t.Errorf("%q, %+v: shares %s, want %s", tc.members, tc.r, got, tc.want)
		}
	}
}
