package doctor

import "math"

// chiSquare is Pearson's statistic of counts against what was expected of them, all
// above 0.
func chiSquare(got, want []float64) (x float64) {
	for i := range got {
		d := got[i] - want[i]
		x += d * d / want[i]
	}
	return x
}

// chance is how likely a chi-square statistic of x or more is with so many degrees of
// freedom if nothing but chance is at work: the upper regularized incomplete gamma
// function Q(df/2, x/2), by its series or by Lentz's continued fraction, whichever
// converges (Numerical Recipes §6.2).
func chance(x float64, df int) float64 {
	a, x := float64(df)/2, x/2
	if df < 1 || x <= 0 || math.IsNaN(x) {
		return 1
	}
	lg, _ := math.Lgamma(a)
	scale := math.Exp(a*math.Log(x) - x - lg)
	const enough, steps, tiny = 1e-12, 10_000, 1e-300
	if x < a+1 {
		sum, term := 1/a, 1/a
		for n := 1; n < steps && term > sum*enough; n++ {
			term *= x / (a + float64(n))
			sum += term
		}
		return math.Max(0, 1-scale*sum)
	}
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for n := 1; n < steps; n++ {
		k := -float64(n) * (float64(n) - a)
		b += 2
		d = 1 / nonzero(k*d+b, tiny)
		c = nonzero(b+k/c, tiny)
		h *= d * c
		if math.Abs(d*c-1) < enough {
			break
		}
	}
	return math.Min(1, scale*h)
}

func nonzero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}
