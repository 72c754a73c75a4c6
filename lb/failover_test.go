package lb

import "testing"

// TestActivePool has every row of the table in its comment, at its edges.
func TestActivePool(t *testing.T) {
	for _, tc := range []struct {
		primaries, backups tally
		ratio              float64
		want               Pool
	}{
		{tally{0, 4}, tally{0, 2}, 0, Primaries},
		{tally{0, 4}, tally{0, 2}, 1, Primaries},
		{tally{0, 4}, tally{1, 2}, 0, Backups},
		{tally{0, 0}, tally{1, 2}, 0, Backups}, // the operator drained every primary
		{tally{1, 4}, tally{0, 2}, 1, Primaries},
		{tally{1, 4}, tally{0, 0}, 1, Primaries},
		{tally{1, 4}, tally{2, 2}, 0, Primaries},
		{tally{2, 4}, tally{2, 2}, 0.5, Primaries}, // spec.md §9.3: 2 of 4 stay,
		{tally{1, 4}, tally{2, 2}, 0.5, Backups},   // 1 of 4 does not
		{tally{3, 10}, tally{1, 2}, 0.3, Primaries},
		{tally{7, 10}, tally{1, 2}, 0.7, Primaries},
		{tally{4, 4}, tally{2, 2}, 1, Primaries},
		{tally{3, 4}, tally{1, 2}, 1, Backups},
		{tally{0, 0}, tally{0, 2}, 0, Backups}, // and the backups are ill
		{tally{0, 0}, tally{0, 0}, 0, Primaries},
	} {
		if got := activePool(tc.primaries, tc.backups, tc.ratio); got != tc.want {
			t.Errorf("primaries %v, backups %v, ratio %v: got %v, want %v", tc.primaries, tc.backups, tc.ratio, got, tc.want)
		}
	}
}

func TestFailoverDecidesWhoIsEligible(t *testing.T) {
	half, drop := &Failover{Ratio: 0.5}, &Failover{DropIfUnhealthy: true}
	for _, tc := range []struct {
		members string
		policy  *Failover
		mode    PanicMode
		want    string
	}{
		{"H H Hb", nil, PanicClosed, "y y n"},
		{"H U Hb Ub", nil, PanicClosed, "y n n n"},
		{"U T Hb Ub", nil, PanicClosed, "n n y n"},
		{"H H U U Hb", half, PanicClosed, "y y n n n"},
		{"H U U U Hb Ub", half, PanicClosed, "n n n n y n"},
		{"H U U U Ub Tb", half, PanicClosed, "y n n n n n"}, // no healthy backup: who is left
		// Nobody is healthy: all primaries, whatever panic says, or nobody.
		{"U T Ub", half, PanicClosed, "y y n"},
		{"U T Ub", drop, PanicOpen, "n n n"},
		{"U T", half, PanicClosed, "y y"}, // a policy without backups is one all the same
		{"U T", drop, PanicOpen, "n n"},
		// Without a policy the last resort is panic's, of the primaries.
		{"U T Ub", nil, PanicClosed, "n n n"},
		{"U T Ub", nil, PanicOpen, "y y n"},
		// Who is drained or has no weight is neither healthy nor a primary.
		{"H H Hd Ux Hb", half, PanicClosed, "y y n n n"},
		{"H U Ud Ud Hb", half, PanicClosed, "y n n n n"},
		{"Hd Hx H0 Hb", nil, PanicClosed, "n n n y"},
		{"Hd Hx Ub Tb", half, PanicClosed, "n n y y"}, // who else?
		{"Hd Hx Ub Tb", drop, PanicOpen, "n n n n"},
		{"Hd Hx Ub Tb", nil, PanicOpen, "n n y y"},
		{"H Hbd", half, PanicClosed, "y n"},
		{"U Hbd", half, PanicClosed, "y n"},
		// Who was not checked yet has not failed; who failed once has not passed.
		{"* * Hb", nil, PanicClosed, "y y n"},
		{"? * Hb", half, PanicClosed, "y y n"},
		{"? ? Hb", nil, PanicClosed, "n n y"},
		{"H * U U Hb", half, PanicClosed, "y n n n n"},
		{"? U ?b", drop, PanicClosed, "y n n"},
	} {
		if got := verdict(t, tc.members, rules{panic: tc.mode, failover: tc.policy}); got != tc.want {
			t.Errorf("%q, %+v, panic %d: got %q, want %q", tc.members, tc.policy, tc.mode, got, tc.want)
		}
	}
}
