package lb

import (
	"context"
	"log/slog"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// refusals is after how many connect failures and nothing else an endpoint counts as
// one that refuses what it gets.
const refusals = 3

// refuses reports whether m's checks pass, and nothing but connect failures has come
// of its traffic since a lease last ended well: it is healthy, and refuses data.
func (m *member) refuses() bool {
	return m.checked && m.health == health.Healthy && m.endpoint.Load.Streaks().Connects >= refusals
}

// traffic is what traffic says of m.
func (m *member) traffic() TrafficStatus {
	t := TrafficStatus{Refuses: m.refuses()}
	t.GatewayFailures, t.ConnectFailures, t.Reason = m.endpoint.Load.Faults()
	return t
}

// observe is the part of a sweep that looks at what failures have left behind: it
// lets penalties fade, and says in the log who has begun to refuse traffic.
func (s *state) observe(now int64) {
	if s.observed > 0 && now-s.observed < int64(900*time.Millisecond) {
		return // penalties fade by the second, however often this is called
	}
	s.observed = now
	most := s.mostPenalty()
	for _, m := range s.members {
		m.endpoint.Load.Fade(most)
		if r := m.refuses(); r != m.refusing {
			m.refusing = r
			if r || m.health == health.Healthy { // else it is ill now, and that has been logged
				logRefusing(&s.opt, m)
			}
		}
	}
}

// mostPenalty is how many leases an endpoint's failures may count for: more than
// others hold, so that it does not win, and not so many that who recovers first gets
// everybody's traffic for long. Where all of them fail, failing tells nobody apart.
func (s *state) mostPenalty() int64 {
	const least = 8
	active, inUse, failing := int64(0), 0, 0
	for _, m := range s.members {
		if m.standing == InUse {
			inUse++
			active += m.endpoint.Load.Active()
			if m.endpoint.Load.Streaks().Errors > 0 {
				failing++
			}
		}
	}
	if failing == inUse {
		return 0
	}
	return max(least, 4*active/int64(inUse))
}

func logRefusing(o *Options, m *member) {
	if !m.refusing {
		o.Log.LogAttrs(context.Background(), slog.LevelInfo, "endpoint no longer refuses traffic",
			slog.String("service", o.Name),
			slog.String("endpoint", m.endpoint.ID))
		return
	}
	_, _, reason := m.endpoint.Load.Faults()
	o.Log.LogAttrs(context.Background(), slog.LevelWarn, "endpoint is healthy but refuses traffic",
		slog.String("service", o.Name),
		slog.String("endpoint", m.endpoint.ID),
		slog.String("reason", reason))
}
