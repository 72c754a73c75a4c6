package doctor

import (
	"math"
	"testing"
)

// Critical values of the usual tables.
func TestChanceAgreesWithTheTables(t *testing.T) {
	for _, c := range []struct {
		x    float64
		df   int
		want float64
	}{
		{3.841, 1, 0.05}, {6.635, 1, 0.01}, {10.828, 1, 0.001},
		{5.991, 2, 0.05}, {13.816, 2, 0.001}, {2 * math.Log(1e5), 2, 1e-5}, // with two it is exp(-x/2)
		{18.307, 10, 0.05}, {29.588, 10, 0.001}, {3.940, 10, 0.95},
		{124.342, 100, 0.05}, {149.449, 100, 0.001}, {77.929, 100, 0.95},
		{0, 5, 1}, {5, 0, 1}, {math.NaN(), 3, 1}, {1e9, 3, 0},
	} {
		if got := chance(c.x, c.df); math.Abs(got-c.want) > 1e-3*math.Max(c.want, 1e-3) {
			t.Errorf("chance(%v, %d) is %v, want %v", c.x, c.df, got, c.want)
		}
	}
}

// The sum over even degrees of freedom is in closed form: a Poisson distribution's.
func TestChanceAgreesWithPoisson(t *testing.T) {
	for _, df := range []int{2, 4, 10, 60, 400, 2000} {
		for _, x := range []float64{0.1, 1, float64(df) / 2, float64(df), 1.5 * float64(df), 3 * float64(df)} {
			want := 0.0
			for k := range df / 2 {
				lg, _ := math.Lgamma(float64(k) + 1)
				want += math.Exp(float64(k)*math.Log(x/2) - x/2 - lg)
			}
			if got := chance(x, df); math.Abs(got-want) > 1e-8 {
				t.Errorf("chance(%v, %d) is %v, want %v", x, df, got, want)
			}
		}
	}
}
