package health

import (
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"reflect"
	"time"
)

// A Record is what checks have found of an endpoint, for whoever goes on to check it. Its times are counted back from the
// moment at which it was made, so that who reads it may have another clock.
type Record struct {
	Status Status // Unknown: nothing
	Reason string
	Streak int           // see [Machine.Streak]
	For    time.Duration // how long Status has been what it is; 0: that is not known

	// Hold is for how long FlapDamping has kept the endpoint down after its last fall, Fell how long that is ago, and
	// Rose how long it is ago that it rose.
	Hold, Fell, Rose time.Duration
}

// ParseStatus is the reverse of [Status.String].
func ParseStatus(name string) (Status, error) {
	for s := Unknown; s <= Draining; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return Unknown, fmt.Errorf("health: %q is no status", name)
}

// Record returns what is known now.
func (p *Probe) Record() Record {
	p.prober.mu.Lock()
	defer p.prober.mu.Unlock()
	now, t := time.Now(), p.target
	m := &t.machine
	r := Record{Status: m.status, Reason: m.reason, Streak: m.Streak()}
	if t.history.since != 0 {
		r.For = now.Sub(time.Unix(0, t.history.since))
	}
	if d := &m.damping; d.hold > 0 {
		r.Hold, r.Fell, r.Rose = d.hold, now.Sub(d.fell), now.Sub(d.rose)
	}
	return r
}

// Restore makes what another process has found what is known here: whatever checks have found here so far gives way to
// it, and those to come follow upon it. All who watch the endpoint are told, by an [Event] that is Restored, before it
// returns. That happens once for an endpoint: where several watch it they may all say what they know, and the first is
// believed. A record that is none, or of an endpoint that is Draining, which no check finds, is ignored. The check that
// found it should have been the same, see [Check.Fingerprint].
func (p *Probe) Restore(r Record) {
	if r.Status != Healthy && r.Status != Unhealthy && r.Status != Timeout {
		return
	}
	t := p.target
	t.reporting.Lock()
	defer t.reporting.Unlock()
	p.prober.mu.Lock()
	if t.restored {
		p.prober.mu.Unlock()
		return
	}
	t.restored = true
	now := time.Now()
	changed := t.machine.resume(r, now)
	if r.For > 0 {
		t.history.since = now.Add(-r.For).UnixNano()
	}
	ev, watchers := p.prober.event(t, changed), t.watchers
	p.prober.mu.Unlock()
	ev.Restored, ev.At = true, now
	for _, w := range watchers {
		w.report(ev)
	}
}

// maxResumed is as far as a streak of another process counts, far above every threshold.
const maxResumed = 1 << 30

func (m *Machine) resume(r Record, now time.Time) (changed bool) {
	before := m.status
	m.status, m.reason = r.Status, r.Reason
	streak := min(max(r.Streak, -maxResumed), maxResumed)
	m.successes, m.failures = max(streak, 0), max(-streak, 0)
	if d := &m.damping; d.interval > 0 && r.Hold > 0 {
		d.hold, d.fell, d.rose = min(r.Hold, maxHold), now.Add(-max(r.Fell, 0)), now.Add(-max(r.Rose, 0))
	}
	return m.status != before
}

// Fingerprint is the same for checks that ask the same and judge the answers by the same thresholds, in any process. A
// field that a later version adds does not change it until it is used. Of TLS it goes by the server's name, and whether
// that is verified: certificates cannot be told apart.
func (c Check) Fingerprint() string {
	c = c.WithDefaults()
	settings := c.TLS
	if settings == nil && c.overTLS() {
		settings = &tls.Config{InsecureSkipVerify: true}
	}
	c.TLS, c.LogResults = nil, false
	h := fnv.New64a()
	for field, value := range reflect.ValueOf(c).Fields() {
		if !value.IsZero() {
			fmt.Fprintf(h, "%s=%#v\n", field.Name, value.Interface())
		}
	}
	if settings != nil && (settings.ServerName != "" || settings.InsecureSkipVerify) {
		fmt.Fprintf(h, "TLS=%q %v\n", settings.ServerName, settings.InsecureSkipVerify)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
