package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// check puts the health checks of those who will fail on the agenda, as the
// service's file has them: each from a moment of its own on, and with
// thresholds. So between a failure and its discovery requests meet endpoints
// that are down. Without a health check nobody ever notices.
func (r *run) check() {
	if r.o.Service.HealthCheck == nil {
		return
	}
	c := r.o.Service.HealthCheck.WithDefaults()
	phases := rand.New(rand.NewPCG(r.o.Seed, streamChecks))
	checked := make(map[*endpoint]bool)
	for _, f := range r.o.Failures {
		for _, e := range r.named(f.Name) {
			if !checked[e] {
				checked[e] = true
				r.watch(e, c, time.Duration(phases.Int64N(int64(c.CheckInterval))))
			}
		}
	}
}

// watch checks one endpoint, first at the time phase.
func (r *run) watch(e *endpoint, c health.Check, phase time.Duration) {
	m := health.NewMachine(c)
	m.Apply(health.Result{OK: true}) // before the beginning
	at := phase
	var again func()
	again = func() {
		result := health.Result{OK: e.down == 0}
		if !result.OK {
			result.Reason = "down, as the simulation has it"
		}
		if m.Apply(result) {
			r.fail(r.b.SetHealth(e.id, m.Status(), m.Reason()))
		}
		if at += c.CheckInterval; at <= r.o.Duration {
			r.agenda.put(at, again)
		}
	}
	r.agenda.put(at, again)
}
