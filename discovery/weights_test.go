package discovery

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the records say, shares are theirs but for what does not fit into 1 to
// 1000.
func TestSharesAreThoseOfTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "records")
		srv, parts := make([]uint16, n), make([]int, n)
		var exact []float64
		var largest float64
		for i := range n {
			srv[i] = rapid.Uint16().Draw(t, "weight")
			parts[i] = rapid.IntRange(1, 12).Draw(t, "addresses")
			exact = append(exact, math.Max(float64(srv[i]), 1)/float64(parts[i]))
			largest = math.Max(largest, exact[i])
		}
		got := weights(srv, parts)
		var most float64
		for _, w := range got {
			most = math.Max(most, float64(w))
		}
		for i, w := range got {
			if w < 1 || w > maxWeight {
				t.Fatalf("weight %d of %v", w, got)
			}
			// Rounding changes a weight by half a unit, and keeps it from 0.
			want := exact[i] / largest * most
			if math.Abs(float64(w)-want) > math.Max(0.51*(1+want/most), 1) {
				t.Errorf("record %d of %v over %v: weight %d, want about %.2f", i, srv, parts, w, want)
			}
		}
	})
}

func TestSmallWeightsAreExact(t *testing.T) {
	got := weights([]uint16{10, 20, 30, 0}, []int{1, 1, 1, 1})
	if got[0] != 10 || got[1] != 20 || got[2] != 30 || got[3] != 1 {
		t.Errorf("got %v", got)
	}
}
