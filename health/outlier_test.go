package health_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// The fields of spec.md §10.4, one subtest a row: Google's default where Google has
// one, else Envoy's, and the ends of the range.
func TestOutlierFieldsHaveGooglesDefaultsAndRanges(t *testing.T) {
	numbers := map[string]struct {
		field     func(*health.Outlier) *int
		def       int
		low, high int
		logOnly   bool // -1 is allowed, too
	}{
		"consecutive_errors":                    {func(o *health.Outlier) *int { return &o.ConsecutiveErrors }, 5, 1, health.MaxConsecutive, false},
		"enforcing_consecutive_errors":          {func(o *health.Outlier) *int { return &o.EnforcingConsecutiveErrors }, health.LogOnly, 1, 100, true},
		"consecutive_gateway_failure":           {func(o *health.Outlier) *int { return &o.ConsecutiveGatewayFailure }, 3, 1, health.MaxConsecutive, false},
		"enforcing_consecutive_gateway_failure": {func(o *health.Outlier) *int { return &o.EnforcingConsecutiveGatewayFailure }, 100, 1, 100, true},
		"max_ejection_percent":                  {func(o *health.Outlier) *int { return &o.MaxEjectionPercent }, 50, 1, 100, false},
		"enforcing_success_rate":                {func(o *health.Outlier) *int { return &o.EnforcingSuccessRate }, 100, 1, 100, true},
		"success_rate_minimum_hosts":            {func(o *health.Outlier) *int { return &o.SuccessRateMinimumHosts }, 5, 1, 1e6, false},
		"success_rate_request_volume":           {func(o *health.Outlier) *int { return &o.SuccessRateRequestVolume }, 100, 1, 1e9, false},
		"success_rate_stdev_factor":             {func(o *health.Outlier) *int { return &o.SuccessRateStdevFactor }, 1900, 1, 1e6, false},
		"failure_percentage_threshold":          {func(o *health.Outlier) *int { return &o.FailurePercentageThreshold }, 85, 1, 100, false},
		"enforcing_failure_percentage":          {func(o *health.Outlier) *int { return &o.EnforcingFailurePercentage }, health.LogOnly, 1, 100, true},
		"failure_percentage_minimum_hosts":      {func(o *health.Outlier) *int { return &o.FailurePercentageMinimumHosts }, 5, 1, 1e6, false},
		"failure_percentage_request_volume":     {func(o *health.Outlier) *int { return &o.FailurePercentageRequestVolume }, 50, 1, 1e9, false},
	}
	for name, row := range numbers {
		t.Run(name, func(t *testing.T) {
			o := health.Outlier{}.WithDefaults()
			if got := *row.field(&o); got != row.def {
				t.Errorf("default %d, want %d", got, row.def)
			}
			try := func(value int, valid bool) {
				t.Helper()
				var o health.Outlier
				*row.field(&o) = value
				switch err := o.Validate(); {
				case (err == nil) != valid:
					t.Errorf("%d: error %v", value, err)
				case err != nil && !strings.Contains(err.Error(), name+" "+fmt.Sprint(value)):
					t.Errorf("%d: the error does not name field and value: %v", value, err)
				}
			}
			try(row.low, true)
			try(row.high, true)
			try(row.high+1, false)
			try(-1, row.logOnly)
			try(-2, false)
		})
	}
	durations := map[string]struct {
		field func(*health.Outlier) *time.Duration
		def   time.Duration
	}{
		"interval":           {func(o *health.Outlier) *time.Duration { return &o.Interval }, 10 * time.Second},
		"base_ejection_time": {func(o *health.Outlier) *time.Duration { return &o.BaseEjectionTime }, 30 * time.Second},
		"max_ejection_time":  {func(o *health.Outlier) *time.Duration { return &o.MaxEjectionTime }, 300 * time.Second},
	}
	for name, row := range durations {
		t.Run(name, func(t *testing.T) {
			o := health.Outlier{}.WithDefaults()
			if got := *row.field(&o); got != row.def {
				t.Errorf("default %v, want %v", got, row.def)
			}
			*row.field(&o) = -time.Second
			if err := o.Validate(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("a negative one: error %v", err)
			}
		})
	}
	t.Run("max_ejection_time is at least base_ejection_time", func(t *testing.T) {
		o := health.Outlier{BaseEjectionTime: 10 * time.Minute}.WithDefaults()
		if o.MaxEjectionTime != 10*time.Minute {
			t.Errorf("default %v", o.MaxEjectionTime)
		}
		o.MaxEjectionTime = time.Second
		if got := o.EjectionTime(1); got != 10*time.Minute {
			t.Errorf("with a shorter one the first ejection takes %v", got)
		}
	})
}

// T16 of spec.md: base 30 s, the third ejection takes 90 s, and none more than 300 s.
func TestT16EjectionTimesGrowToTheirCap(t *testing.T) {
	o := health.Outlier{}.WithDefaults()
	var s health.Suspect
	now := time.Unix(1000, 0)
	for n, want := range []int{30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300} {
		s.Eject(&o, health.ConsecutiveGatewayFailure, now)
		if got := s.Until.Sub(now); got != time.Duration(want)*time.Second {
			t.Errorf("ejection %d takes %v, want %d s", n+1, got, want)
		}
		if s.IsOver(s.Until.Add(-1)) || !s.IsOver(s.Until) {
			t.Errorf("ejection %d is not over when it should be", n+1)
		}
		now = s.Until
		s.Return(now, health.Tally{})
	}
	if got := o.EjectionTime(1 << 40); got != 300*time.Second {
		t.Errorf("after very many an ejection takes %v", got)
	}
}

func TestEjectionTimeDecaysAtEachLookAtAnEndpointThatStayed(t *testing.T) {
	o := health.Outlier{}.WithDefaults()
	var s health.Suspect
	now := time.Unix(1000, 0)
	for range 3 {
		s.Eject(&o, health.ConsecutiveErrors, now)
		s.Decay(now.Add(-o.Interval)) // while it is ejected nothing decays
		now = s.Until
		s.Return(now, health.Tally{})
	}
	s.Decay(now.Add(-1)) // it came back in the middle of this interval
	for range 2 {
		s.Decay(now)
	}
	if s.Eject(&o, health.ConsecutiveErrors, now); s.Until.Sub(now) != 60*time.Second {
		t.Errorf("three times up, two times down, and once more: %v, want 60 s", s.Until.Sub(now))
	}
	s.Return(now, health.Tally{})
	for range 100 {
		s.Decay(now)
	}
	if s.Eject(&o, health.ConsecutiveErrors, now); s.Until.Sub(now) != 30*time.Second {
		t.Errorf("long after: %v, want 30 s", s.Until.Sub(now))
	}
	if s.Times != 5 {
		t.Errorf("ejected %d times, want 5", s.Times)
	}
}

func TestThePercentageIsOfThoseThatWouldBeEjected(t *testing.T) {
	for _, tc := range []struct {
		percent, endpoints, most int
	}{
		{50, 2, 1}, {50, 3, 1}, {50, 4, 2}, {67, 3, 2}, {66, 3, 1}, {10, 9, 0}, {10, 10, 1}, {99, 3, 2}, {100, 3, 2}, {100, 1, 0}, {100, 2, 1},
	} {
		o := health.Outlier{MaxEjectionPercent: tc.percent}.WithDefaults()
		p := health.Pool{Endpoints: tc.endpoints, Others: tc.endpoints - 1}
		for o.Permits(p) == "" {
			p.Ejected++
			p.Others--
		}
		if p.Ejected != tc.most {
			t.Errorf("%d%% of %d: %d are ejected, want %d", tc.percent, tc.endpoints, p.Ejected, tc.most)
		}
	}
}

func TestWhoIsTooManyAfterOthersHaveGoneComesBack(t *testing.T) {
	o := health.Outlier{}.WithDefaults()
	for _, tc := range []struct {
		pool health.Pool
		want int
	}{
		{health.Pool{Endpoints: 4, Ejected: 2, Others: 2}, 0},
		{health.Pool{Endpoints: 3, Ejected: 2, Others: 1}, 1},
		{health.Pool{Endpoints: 5, Ejected: 4, Others: 1}, 2},
		{health.Pool{Endpoints: 4, Ejected: 2, Others: 0}, 2}, // the others are ill
		{health.Pool{Endpoints: 2, Ejected: 2, Others: 0}, 2},
		{health.Pool{}, 0},
	} {
		if got := o.Excess(tc.pool); got != tc.want {
			t.Errorf("%+v: %d come back, want %d", tc.pool, got, tc.want)
		}
	}
}

func TestEnforcingIsAPercentage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, percent := range []int{health.LogOnly, 1, 30, 99, 100} {
		o := health.Outlier{EnforcingSuccessRate: percent}.WithDefaults()
		n := 0
		for range 20000 {
			if o.Enforces(health.SuccessRate, random.Uint64()) {
				n++
			}
		}
		if got, want := float64(n)/200, float64(max(percent, 0)); got < want-1.5 || got > want+1.5 || percent == 100 && n != 20000 || percent < 0 && n != 0 {
			t.Errorf("%d%%: enforced in %v%% of cases", percent, got)
		}
	}
}

func rates(successes ...uint64) []health.Rate {
	out := make([]health.Rate, len(successes))
	for i, s := range successes {
		out[i] = health.Rate{Successes: s, Failures: 100 - s}
	}
	return out
}

func TestSuccessRateFindsThoseFarBelowTheMean(t *testing.T) {
	o := health.Outlier{FailurePercentageMinimumHosts: 100}.WithDefaults()
	// Mean 0.82, population standard deviation 0.16: the limit is 0.516. With the
	// sample's, 0.179, it would be 0.48, and nobody would be found.
	if got := fmt.Sprint(o.Find(rates(90, 90, 90, 90, 50))); got != "[{4 SUCCESS_RATE}]" {
		t.Errorf("found %s", got)
	}
	for name, in := range map[string][]health.Rate{
		"all are equal":                   rates(100, 100, 100, 100, 100),
		"equally bad":                     rates(7, 7, 7, 7, 7),
		"fewer than the minimum of hosts": rates(90, 90, 90, 50),
		"one is below the volume":         append(rates(90, 90, 90, 50), health.Rate{Failures: 99}),
		"a little worse":                  rates(99, 97, 98, 99, 96),
	} {
		if got := o.Find(in); len(got) > 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
	twice := health.Outlier{SuccessRateStdevFactor: 1000, FailurePercentageMinimumHosts: 100}.WithDefaults()
	if got := fmt.Sprint(twice.Find(rates(90, 90, 30, 90, 20, 90))); got != "[{4 SUCCESS_RATE} {2 SUCCESS_RATE}]" {
		t.Errorf("the worst is not the first: %s", got)
	}
}

func TestFailurePercentageFindsThoseAtTheThreshold(t *testing.T) {
	o := health.Outlier{EnforcingFailurePercentage: 100, SuccessRateMinimumHosts: 100}.WithDefaults()
	if got := fmt.Sprint(o.Find(rates(16, 100, 15, 50, 14))); got != "[{4 FAILURE_PERCENTAGE} {2 FAILURE_PERCENTAGE}]" {
		t.Errorf("found %s", got)
	}
	if got := o.Find(rates(0, 0, 0, 0)); len(got) > 0 {
		t.Errorf("with four hosts: found %v", got)
	}
	few := append(rates(100, 100, 100, 100), health.Rate{Failures: 49})
	if got := o.Find(few); len(got) > 0 {
		t.Errorf("below the volume: found %v", got)
	}
	few[4].Failures = 50
	if got := fmt.Sprint(o.Find(few)); got != "[{4 FAILURE_PERCENTAGE}]" {
		t.Errorf("at the volume: found %s", got)
	}
}

func TestALookSeesOnlyWhatCameSinceTheLast(t *testing.T) {
	var s health.Suspect
	if got := s.Look(health.Tally{Finished: 10, Failed: 3, Neutral: 2}); got != (health.Rate{Successes: 5, Failures: 3}) {
		t.Errorf("first: %+v", got)
	}
	if got := s.Look(health.Tally{Finished: 11, Failed: 3, Neutral: 3}); got != (health.Rate{}) {
		t.Errorf("a client that left: %+v", got)
	}
	s.Return(time.Time{}, health.Tally{Finished: 100, Failed: 50, Neutral: 3})
	if got := s.Look(health.Tally{Finished: 101, Failed: 52, Neutral: 3}); got != (health.Rate{Failures: 1}) {
		t.Errorf("after a return, with a failure whose lease has not ended: %+v", got)
	}
}
