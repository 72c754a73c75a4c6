package simulate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/simulate"
)

func all(a simulate.Arrivals) (times []time.Duration) {
	for {
		next, ok := a.Next()
		if !ok {
			return times
		}
		times = append(times, next.At)
	}
}

func curve(t testing.TB, s string) simulate.Curve {
	t.Helper()
	c, err := simulate.ParseCurve(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPacedArrivalsAreTheCurvesArea(t *testing.T) {
	for _, c := range []struct {
		curve string
		until time.Duration
		want  int
	}{
		{"0:200", time.Minute, 12000},
		{"0:1", 10 * time.Second, 10},
		{"0:0.5", 10 * time.Second, 5},
		{"0:0,10s:100", 0, 500},
		{"0:0,10s:100,20s:0", 0, 1000},
		{"0:100,10s:100,10s:300,20s:300", 0, 4000},
		{"0:0,1m:0", 0, 0},
		{"0:0,5s:0,5s:10,10s:10", 0, 50},
		{"0:10,5s:0", time.Hour, 25},
		{"0:10,5:20", 10 * time.Second, 175},
	} {
		times := all(arrivals(t, simulate.Demand{Curve: curve(t, c.curve), Until: c.until}))
		if len(times) != c.want {
			t.Errorf("%s until %v: %d arrivals, want %d", c.curve, c.until, len(times), c.want)
		}
	}
}

// Between two moments there are as many arrivals as the curve has area there, but
// for one.
func TestArrivalsFollowTheCurveAtEveryMoment(t *testing.T) {
	const text = "0:0,10s:1000,20s:1000,20s:100,30s:0,40s:500"
	c := curve(t, text)
	rate := func(x float64) float64 {
		for i := len(c) - 2; i >= 0; i-- {
			from, to := c[i].At.Seconds(), c[i+1].At.Seconds()
			if x >= from && to > from {
				return c[i].Rate + (c[i+1].Rate-c[i].Rate)*(x-from)/(to-from)
			}
		}
		return 0
	}
	times := all(arrivals(t, simulate.Demand{Curve: c}))
	area, came := 0.0, 0
	const dt = 0.001
	for x := dt; x <= 40; x += dt {
		area += rate(x-dt/2) * dt
		for came < len(times) && times[came].Seconds() <= x {
			came++
		}
		if math.Abs(area-float64(came)) > 1.5 {
			t.Fatalf("until %.3f s: %d arrivals, area %.2f", x, came, area)
		}
	}
}

func TestPoissonArrivalsHaveTheMeanAndTheVarianceOfOne(t *testing.T) {
	times := all(arrivals(t, simulate.Demand{Curve: simulate.Constant(100), Until: 1000 * time.Second, Poisson: true, Seed: 1}))
	counts := make([]float64, 1000)
	for _, at := range times {
		counts[int(at.Seconds())]++
	}
	mean, variance := float64(len(times))/1000, 0.0
	for _, n := range counts {
		variance += (n - mean) * (n - mean) / 1000
	}
	if math.Abs(mean-100) > 1.5 || math.Abs(variance-mean) > 20 {
		t.Errorf("mean %.1f, variance %.1f; want 100 and about that", mean, variance)
	}
}

func TestArrivalsOfOneSeedAreTheSame(t *testing.T) {
	of := func(seed uint64) []time.Duration {
		return all(arrivals(t, simulate.Demand{Curve: simulate.Constant(100), Until: time.Second, Poisson: true, Seed: seed}))
	}
	a, b, other := of(1), of(1), of(2)
	if len(a) == 0 || len(a) != len(b) {
		t.Fatalf("%d and %d arrivals", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("arrival %d at %v and %v", i, a[i], b[i])
		}
	}
	if a[0] == other[0] {
		t.Error("another seed begins the same")
	}
}

func TestABadCurveIsRefusedWithTheReason(t *testing.T) {
	for s, want := range map[string]string{
		"":             "TIME:RATE",
		"30s":          "TIME:RATE",
		"0:1,":         "TIME:RATE",
		"0:x":          "no rate",
		"0:-1":         "rate -1",
		"0:NaN":        "rate NaN",
		"0:Inf":        "rate +Inf",
		"0:1e10":       "rate 1e+10",
		"x:1":          "no time",
		"5s:1":         "begins at 5s",
		"-5s:1":        "begins at -5s",
		"0:1,5s:1,4:":  "no rate",
		"0:1,5s:1,4:2": "before 5s",
		"0:1,1e300:2":  "no time",
		"0:1,9999h:2":  "beyond",
	} {
		if _, err := simulate.ParseCurve(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

func FuzzACurveIsRefusedOrPlayed(f *testing.F) {
	for _, s := range []string{"0:300,30s:450,60s:0", "0:1", "0:0,10:5,10:9", "0:1e-9,1s:3", "0:1e-11", ":", "0:1,0:2,0:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := simulate.ParseCurve(s)
		if err != nil {
			return
		}
		a, err := simulate.Demand{Curve: c, Until: time.Hour}.Arrivals()
		if err != nil {
			t.Fatal(err)
		}
		var last time.Duration
		for range 1000 {
			next, ok := a.Next()
			if !ok {
				return
			}
			if next.At < last || next.At >= time.Hour {
				t.Fatalf("%v after %v", next.At, last)
			}
			last = next.At
		}
	})
}
