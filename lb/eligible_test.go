package lb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// A line is members and who of them may be picked: a letter for health (H
// healthy, ? unknown, U unhealthy, T timeout), behind it d for drain or x for
// down, or 0 for weight 0.
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
		var members []*member
		for i, word := range strings.Fields(tc.members) {
			members = append(members, parseMember(i, word))
		}
		var got []string
		for i, c := range eligible(members, tc.mode, tc.threshold) {
			switch {
			case c.Endpoint != members[i].endpoint:
				t.Errorf("%q: candidate %d is another endpoint", tc.members, i)
			case c.Share == 0:
				got = append(got, "n")
			case c.Share == c.Weight:
				got = append(got, "y")
			}
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%q, panic %d at %d %%: got %q, want %q", tc.members, tc.mode, tc.threshold, s, tc.want)
		}
	}
}

func parseMember(i int, word string) *member {
	m := &member{endpoint: &balance.Endpoint{ID: fmt.Sprint(i), Weight: 3}}
	m.health = map[byte]health.Status{
		'H': health.Healthy, '?': health.Unknown, 'U': health.Unhealthy, 'T': health.Timeout,
	}[word[0]]
	switch word[1:] {
	case "d":
		m.admin = Drain
	case "x":
		m.admin = Down
	case "0":
		m.endpoint.Weight = 0
	}
	return m
}
