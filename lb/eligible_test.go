package lb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// A line is members and who of them may be picked: a letter for health (H
// healthy, ? unknown, * not checked yet, U unhealthy, T timeout), behind it d for
// drain or x for down, or 0 for weight 0; b for a backup, and a for the proxy's zone.
func TestEligible(t *testing.T) {
	for _, tc := range []struct {
		members   string
		mode      PanicMode
		threshold int
		want      string
	}{
		{"H H H", PanicClosed, 0, "y y y"},
		{"H U T", PanicClosed, 0, "y n n"},
		{"H ? U", PanicClosed, 0, "y n n"}, // unknown only while nobody is healthy
		{"? ? U", PanicClosed, 0, "y y n"},
		{"H Hd Hx", PanicClosed, 0, "y n n"},
		{"H H0", PanicClosed, 0, "y n"},
		{"U T", PanicClosed, 0, "n n"},
		{"U T", PanicOpen, 0, "y y"},
		{"U Td U0", PanicOpen, 0, "y n n"}, // the operator's word counts in a panic too
		{"H U U U", PanicClosed, 25, "y n n n"},
		{"H U U U", PanicClosed, 26, "n n n n"},
		{"H U U U", PanicOpen, 26, "y y y y"},
		{"? U U U", PanicOpen, 25, "y n n n"}, // unknown is not ill
		{"H Ud Ud Ud", PanicClosed, 50, "y n n n"},
		{"Hd Hx", PanicOpen, 0, "n n"},
		{"", PanicOpen, 0, ""},
	} {
		r := rules{panic: tc.mode, threshold: tc.threshold}
		if got := verdict(t, tc.members, r); got != tc.want {
			t.Errorf("%q, panic %d at %d %%: got %q, want %q", tc.members, tc.mode, tc.threshold, got, tc.want)
		}
	}
}

// verdict returns y for each member of a line that may be picked, n for the
// others.
func verdict(t *testing.T, line string, r rules) string {
	t.Helper()
	members := parseMembers(line)
	d := eligible(members, r)
	var got []string
	for i, m := range members {
		if (d.shares[i] > 0) != (d.standings[i] == InUse) {
			t.Errorf("%q: member %d has share %d and stands %v", line, i, d.shares[i], d.standings[i])
		}
		switch d.shares[i] {
		case 0:
			got = append(got, "n")
		case m.endpoint.Weight:
			got = append(got, "y")
		default:
			got = append(got, fmt.Sprint(d.shares[i]))
		}
	}
	return strings.Join(got, " ")
}

func parseMembers(line string) []*member {
	var members []*member
	for i, word := range strings.Fields(line) {
		members = append(members, parseMember(i, word))
	}
	return members
}

func parseMember(i int, word string) *member {
	m := &member{endpoint: &balance.Endpoint{ID: fmt.Sprint(i), Weight: 3}, checked: word[0] != '*'}
	m.health = map[byte]health.Status{
		'H': health.Healthy, '?': health.Unknown, '*': health.Unknown, 'U': health.Unhealthy, 'T': health.Timeout,
	}[word[0]]
	for _, mark := range word[1:] {
		switch mark {
		case 'd':
			m.admin = Drain
		case 'x':
			m.admin = Down
		case '0':
			m.endpoint.Weight = 0
		case 'b':
			m.backup = true
		case 'a':
			m.local = true
		}
	}
	return m
}
