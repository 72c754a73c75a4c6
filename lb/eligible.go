package lb

import (
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
)

// eligible decides who may be picked now and with which share: the one place
// where the operator's word, health and panic meet. It is pure. The result has
// every member, sorted as members is; a Share of 0 marks one that is configured
// but not to be picked.
//
//	admin \ health │ HEALTHY │ UNKNOWN               │ UNHEALTHY, TIMEOUT
//	───────────────┼─────────┼───────────────────────┼──────────────────────
//	READY          │ weight  │ weight, while nobody  │ 0; weight in an open
//	               │         │ is HEALTHY; else 0    │ panic
//	DRAIN, DOWN    │ 0       │ 0                     │ 0
//
// Panic: of the READY ones with a weight, fewer than threshold percent are not
// known to be ill, or none at all. Open then takes all of them, closed nobody.
func eligible(members []*member, mode PanicMode, threshold int) []balance.Candidate {
	var ready, healthy, unknown int
	for _, m := range members {
		if m.admin != Ready || m.endpoint.Weight == 0 {
			continue
		}
		ready++
		switch m.health {
		case health.Healthy:
			healthy++
		case health.Unknown:
			unknown++
		}
	}
	well := healthy + unknown
	panicking := well == 0 || well*100 < threshold*ready

	out := make([]balance.Candidate, len(members))
	for i, m := range members {
		out[i].Endpoint = m.endpoint
		if m.admin != Ready {
			continue
		}
		var may bool
		switch {
		case panicking:
			may = mode == PanicOpen
		case healthy > 0:
			may = m.health == health.Healthy
		default:
			may = m.health == health.Unknown
		}
		if may {
			out[i].Share = m.endpoint.Weight
		}
	}
	return out
}

// keepsSessions reports whether a sticky request may still reach m: a draining
// endpoint keeps who is there, as long as it is not known to be ill.
func keepsSessions(m *member) bool {
	return m.admin != Down && (m.health == health.Healthy || m.health == health.Unknown)
}
