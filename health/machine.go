package health

import (
	"fmt"
	"time"
)

// Status is what is known of an endpoint. The zero value is Unknown.
type Status uint8

// The statuses of spec.md §8.3. A [Machine] never says Draining: that is the operator's word, on an axis of its own,
// and here so that whoever joins the two has one vocabulary.
const (
	Unknown   Status = iota // not checked often enough yet
	Healthy                 // in use
	Unhealthy               // answered wrongly, or not at all
	Timeout                 // down as Unhealthy is, and the failure that tipped the scales was silence
	Draining                // takes nobody new
)

// String is the name in the API, such as "HEALTHY".
func (s Status) String() string {
	names := [...]string{Unknown: "UNKNOWN", Healthy: "HEALTHY", Unhealthy: "UNHEALTHY", Timeout: "TIMEOUT", Draining: "DRAINING"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Machine folds the results of one endpoint's checks into its status, as drawn in the package comment. It is pure:
// no clock, no socket, no goroutine. It must not be used by two goroutines at once; copying it copies its state.
type Machine struct {
	rise, fall, first int // thresholds; first is rise as long as the status is Unknown
	status            Status
	successes         int // in a row, 0 after a failure
	failures          int // in a row, 0 after a success
	reason            string
	damping           damping
}

// NewMachine starts in Unknown with c's thresholds, defaults filled in.
func NewMachine(c Check) Machine {
	c = c.WithDefaults()
	m := Machine{rise: c.HealthyThreshold, fall: c.UnhealthyThreshold, first: 1}
	if c.StrictStart {
		m.first = m.rise
	}
	if c.FlapDamping {
		m.damping.interval = c.CheckInterval
	}
	return m
}

// Apply is [Machine.ApplyAt] for who has no clock, and a check without FlapDamping: that needs one.
func (m *Machine) Apply(r Result) (changed bool) { return m.ApplyAt(r, time.Time{}) }

// ApplyAt folds in the result of a check that ended at now, and reports whether the status changed. One opposite result
// ends a streak. A result that is [Result.Inconclusive] changes nothing but the reason.
func (m *Machine) ApplyAt(r Result, now time.Time) (changed bool) {
	before := m.status
	switch {
	case r.Inconclusive:
		m.reason = r.Reason
	case r.OK:
		m.succeed(now)
	default:
		m.fail(r, now)
	}
	return m.status != before
}

func (m *Machine) succeed(now time.Time) {
	m.successes, m.failures = m.successes+1, 0
	enough := m.rise
	if m.status == Unknown {
		enough = m.first
	}
	switch {
	case m.status == Healthy:
	case m.successes < enough:
		return
	case m.damping.holds(now):
		m.reason = m.damping.reason()
		return
	default:
		m.status = Healthy
		m.damping.rose = now
	}
	m.reason = ""
}

func (m *Machine) fail(r Result, now time.Time) {
	m.successes, m.failures = 0, m.failures+1
	m.reason = r.Reason
	// Who is down keeps the name of what brought it down: a status that followed each failure would change, and
	// publish, and log, as often as an endpoint alternates between silence and refusal. The reason follows.
	if m.failures < m.fall || m.status == Unhealthy || m.status == Timeout {
		return
	}
	if m.status == Healthy {
		m.damping.fall(now)
	}
	m.status = Unhealthy
	if r.Timeout {
		m.status = Timeout
	}
}

// Status is the endpoint's status now.
func (m *Machine) Status() Status { return m.status }

// Reason says why the last check that failed did so, or that the endpoint is held down because it flaps. It is empty
// while nothing is wrong: before the first check, and once the endpoint is healthy and its last check succeeded.
func (m *Machine) Reason() string { return m.reason }

// Streak counts the checks in a row with the same end: positive for successes, negative for failures.
func (m *Machine) Streak() int { return m.successes - m.failures }
