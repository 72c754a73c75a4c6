package admin

import (
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// viewChecks fills in what is known of the endpoint's health checks.
func viewChecks(v *EndpointStatus, c *lb.CheckStatus) {
	if c.Done == 0 {
		return
	}
	v.Checks = &CheckStatus{
		Since:  moment(c.Since),
		Streak: c.Streak,
		Next:   moment(c.Next),
		Flaps:  c.Flaps,
	}
	for _, p := range c.Last() {
		v.Checks.Last = append(v.Checks.Last, CheckResult{At: p.At, OK: p.OK, Reason: p.Reason, Took: p.Took.Seconds()})
	}
}

// viewTraffic fills in what traffic says of the endpoint.
func viewTraffic(v *EndpointStatus, e *lb.EndpointStatus) {
	v.ConnectFailures, v.GatewayFailures = e.Traffic.ConnectFailures, e.Traffic.GatewayFailures
	if e.Traffic.Refuses {
		v.Traffic, v.TrafficReason = "REFUSED", e.Traffic.Reason
	}
	v.Ejected, v.Ejections = e.Ejection.Ejected, e.Ejection.Times
	v.SparedFor, v.SparedBecause = e.Ejection.Spared, e.Ejection.SparedBecause
	if v.Ejected {
		v.EjectedFor, v.EjectedUntil = e.Ejection.Reason, moment(e.Ejection.Until)
	}
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
