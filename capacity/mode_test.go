package capacity_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

var modes = []capacity.Mode{capacity.Rate, capacity.Connection, capacity.InFlight, capacity.Utilization, capacity.CustomMetrics}

// The matrix of spec.md §2.7.
func TestModesOfOneGroup(t *testing.T) {
	matrix := map[capacity.Mode]string{
		capacity.Rate:          "yes yes yes no no",
		capacity.Connection:    "yes yes yes no no",
		capacity.InFlight:      "yes yes yes no no",
		capacity.Utilization:   "no no no yes no",
		capacity.CustomMetrics: "no no no no yes",
	}
	for _, a := range modes {
		t.Run(a.String(), func(t *testing.T) {
			for i, want := range strings.Fields(matrix[a]) {
				if got := capacity.Compatible(a, modes[i]); got != (want == "yes") {
					t.Errorf("with %v: %v, want %v", modes[i], got, want)
				}
			}
			if !capacity.Compatible(a, capacity.NoMode) || !capacity.Compatible(capacity.NoMode, a) {
				t.Error("a service without capacity asks nothing of a group")
			}
		})
	}
}

func TestNamesAreReadAsTheyAreWritten(t *testing.T) {
	for _, m := range append(modes, capacity.NoMode) {
		if got, err := capacity.ParseMode(strings.ToLower(m.String())); err != nil || got != m {
			t.Errorf("mode %v: %v, %v", m, got, err)
		}
	}
	for a := capacity.WaterfallByRegion; a <= capacity.SprayToWorld; a++ {
		if got, err := capacity.ParseAlgorithm(strings.ToLower(a.String())); err != nil || got != a {
			t.Errorf("algorithm %v: %v, %v", a, got, err)
		}
	}
	for i := capacity.NotIsolated; i <= capacity.Strict; i++ {
		if got, err := capacity.ParseIsolation(strings.ToLower(i.String())); err != nil || got != i {
			t.Errorf("isolation %v: %v, %v", i, got, err)
		}
	}
	for _, bad := range []string{"RATES", "WATERFALL", " ", "STRICTLY"} {
		_, a := capacity.ParseMode(bad)
		_, b := capacity.ParseAlgorithm(bad)
		_, c := capacity.ParseIsolation(bad)
		if a == nil || b == nil || c == nil {
			t.Errorf("%q: %v, %v, %v", bad, a, b, c)
		}
	}
}
