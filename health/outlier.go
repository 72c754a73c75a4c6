package health

import (
	"errors"
	"fmt"
	"time"
)

// LogOnly is for the enforcing fields of [Outlier] and stands for 0 percent there: what the rule finds is logged, and
// nobody is ejected for it.
const LogOnly = -1

// Outlier says when traffic itself is taken for evidence against an endpoint: it is ejected, which means that it gets
// nobody new for a while (spec.md §10.4). It is plain data, comparable, and shared freely. Field names are those of
// the Google API; each zero value is the default that [Outlier.WithDefaults] fills in, and the defaults are Google's.
//
// A failure is a response with a status of 5xx, no response in time, or a connection that was not made or broke. What a
// client did, or this side, is none.
type Outlier struct {
	ConsecutiveErrors          int // failures in a row; default 5
	EnforcingConsecutiveErrors int // percent of such cases that eject; default LogOnly

	ConsecutiveGatewayFailure          int // in a row: 502, 503, 504, no answer in time, no connection; default 3
	EnforcingConsecutiveGatewayFailure int // percent; default 100

	Interval           time.Duration // from one look at rates to the next; default 10s
	BaseEjectionTime   time.Duration // how long the first ejection is; the n-th is n times as long; default 30s
	MaxEjectionTime    time.Duration // but no longer than this, or than BaseEjectionTime if that is longer; default 300s
	MaxEjectionPercent int           // of the endpoints, that may be ejected at once; default 50

	EnforcingSuccessRate     int // percent; default 100
	SuccessRateMinimumHosts  int // how many endpoints must have had the volume; default 5
	SuccessRateRequestVolume int // how much an endpoint must have had in an Interval to be compared; default 100
	SuccessRateStdevFactor   int // thousandths: who is below mean − factor/1000 × standard deviation is ejected; default 1900

	FailurePercentageThreshold     int // who fails as often as this, in percent, is ejected; default 85
	EnforcingFailurePercentage     int // percent; default LogOnly
	FailurePercentageMinimumHosts  int // default 5
	FailurePercentageRequestVolume int // default 50

	// OutlastChecks keeps an endpoint ejected until its time is over. Else a health check that begins after the
	// ejection and passes ends it (as Envoy's successful_active_health_check_uneject_host does).
	OutlastChecks bool
}

// MaxConsecutive is the largest number of failures in a row that may be asked for.
const MaxConsecutive = 10000

// WithDefaults returns o with every default filled in.
func (o Outlier) WithDefaults() Outlier {
	for _, f := range []struct {
		field   *int
		instead int
	}{
		{&o.ConsecutiveErrors, 5}, {&o.EnforcingConsecutiveErrors, LogOnly},
		{&o.ConsecutiveGatewayFailure, 3}, {&o.EnforcingConsecutiveGatewayFailure, 100},
		{&o.MaxEjectionPercent, 50},
		{&o.EnforcingSuccessRate, 100}, {&o.SuccessRateMinimumHosts, 5}, {&o.SuccessRateRequestVolume, 100}, {&o.SuccessRateStdevFactor, 1900},
		{&o.FailurePercentageThreshold, 85}, {&o.EnforcingFailurePercentage, LogOnly},
		{&o.FailurePercentageMinimumHosts, 5}, {&o.FailurePercentageRequestVolume, 50},
	} {
		if *f.field == 0 {
			*f.field = f.instead
		}
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.BaseEjectionTime == 0 {
		o.BaseEjectionTime = 30 * time.Second
	}
	if o.MaxEjectionTime == 0 {
		o.MaxEjectionTime = max(300*time.Second, o.BaseEjectionTime)
	}
	return o
}

// Validate reports everything that is wrong with o, defaults filled in, joined into one error.
func (o Outlier) Validate() error {
	o = o.WithDefaults()
	var errs []error
	within := func(name string, value, low, high int) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("health: %s %d is not between %d and %d", name, value, low, high))
		}
	}
	percent := func(name string, value int) {
		if value != LogOnly {
			within(name, value, 1, 100)
		}
	}
	within("consecutive_errors", o.ConsecutiveErrors, 1, MaxConsecutive)
	percent("enforcing_consecutive_errors", o.EnforcingConsecutiveErrors)
	within("consecutive_gateway_failure", o.ConsecutiveGatewayFailure, 1, MaxConsecutive)
	percent("enforcing_consecutive_gateway_failure", o.EnforcingConsecutiveGatewayFailure)
	within("max_ejection_percent", o.MaxEjectionPercent, 1, 100)
	percent("enforcing_success_rate", o.EnforcingSuccessRate)
	within("success_rate_minimum_hosts", o.SuccessRateMinimumHosts, 1, 1e6)
	within("success_rate_request_volume", o.SuccessRateRequestVolume, 1, 1e9)
	within("success_rate_stdev_factor", o.SuccessRateStdevFactor, 1, 1e6)
	within("failure_percentage_threshold", o.FailurePercentageThreshold, 1, 100)
	percent("enforcing_failure_percentage", o.EnforcingFailurePercentage)
	within("failure_percentage_minimum_hosts", o.FailurePercentageMinimumHosts, 1, 1e6)
	within("failure_percentage_request_volume", o.FailurePercentageRequestVolume, 1, 1e9)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"interval", o.Interval}, {"base_ejection_time", o.BaseEjectionTime}, {"max_ejection_time", o.MaxEjectionTime}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("health: %s %v must be positive", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

// OutlierReason is the rule that an endpoint was found by.
type OutlierReason uint8

// The rules. NotAnOutlier is of an endpoint that none has found.
const (
	NotAnOutlier OutlierReason = iota
	ConsecutiveErrors
	ConsecutiveGatewayFailure
	SuccessRate
	FailurePercentage
)

// OutlierReasons are the rules in the order of their constants, without NotAnOutlier.
var OutlierReasons = [...]OutlierReason{ConsecutiveErrors, ConsecutiveGatewayFailure, SuccessRate, FailurePercentage}

// String is the name in logs and the admin API, such as "SUCCESS_RATE"; "" for NotAnOutlier.
func (r OutlierReason) String() string {
	names := [...]string{"", "CONSECUTIVE_ERRORS", "CONSECUTIVE_GATEWAY_FAILURE", "SUCCESS_RATE", "FAILURE_PERCENTAGE"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("OutlierReason(%d)", uint8(r))
}

// ParseOutlierReason is the reverse of [OutlierReason.String]; NotAnOutlier for what is none.
func ParseOutlierReason(name string) OutlierReason {
	for _, r := range OutlierReasons {
		if r.String() == name {
			return r
		}
	}
	return NotAnOutlier
}

// Enforces draws whether what the rule has found is to be enforced; random is a number that is even over 64 bits.
func (o *Outlier) Enforces(r OutlierReason, random uint64) bool {
	percent := [...]int{
		NotAnOutlier:              LogOnly,
		ConsecutiveErrors:         o.EnforcingConsecutiveErrors,
		ConsecutiveGatewayFailure: o.EnforcingConsecutiveGatewayFailure,
		SuccessRate:               o.EnforcingSuccessRate,
		FailurePercentage:         o.EnforcingFailurePercentage,
	}[r]
	return int(random%100) < percent
}

// EjectionTime is how long the n-th of ejections lasts that follow upon each other.
func (o *Outlier) EjectionTime(n int) time.Duration {
	longest := max(o.BaseEjectionTime, o.MaxEjectionTime)
	if time.Duration(n) >= longest/o.BaseEjectionTime+1 { // it may be beyond what a Duration holds
		return longest
	}
	return min(time.Duration(n)*o.BaseEjectionTime, longest)
}

// A Pool is the endpoints among which one is to be ejected.
type Pool struct {
	Endpoints int // that may get traffic but for their health: neither drained nor down
	Ejected   int // of these
	Others    int // that could serve in its place: neither ejected nor known to be ill
}

// Permits says whether one more of them may be ejected, or in a few words why not. The share is of those that would
// be ejected then, not of those that are: of three endpoints 67 percent are two. (Envoy counted before the ejection for
// long, and so lost all three.)
func (o *Outlier) Permits(p Pool) (refused string) {
	switch {
	case p.Others == 0:
		return "nobody else could serve"
	case !o.within(p.Ejected+1, p.Endpoints):
		return "max_ejection_percent"
	}
	return ""
}

// within reports whether so many may be ejected at once.
func (o *Outlier) within(ejected, endpoints int) bool {
	return ejected*100 <= o.MaxEjectionPercent*endpoints
}

// Excess is how many of the ejected must come back: those above MaxEjectionPercent, when endpoints have gone, and all
// of them when nobody else could serve any more.
func (o *Outlier) Excess(p Pool) int {
	if p.Others == 0 {
		return p.Ejected
	}
	n := 0
	for n < p.Ejected && !o.within(p.Ejected-n, p.Endpoints) {
		n++
	}
	return n
}
