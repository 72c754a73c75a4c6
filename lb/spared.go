package lb

import (
	"time"

	"github.com/spillway-lb/spillway/health"
)

// A spared is when an endpoint was last found by a rule and not ejected, because the
// rules allow no more ejections.
type spared struct {
	why     health.OutlierReason
	because string
	at      int64 // by flow.clock; 0: never
}

// sparedNow is m's, or the zero value if that is over: it is out, or what it was found
// by is not so any more. A sweep looks at rows of failures, and only the end of an
// interval at rates, so these hold until the next one.
func (s *state) sparedNow(m *member, now int64) spared {
	rules, was := s.opt.Outlier, m.spared
	switch {
	case rules == nil || was.at == 0 || m.suspect.Ejected:
		return spared{}
	case was.why == health.ConsecutiveErrors || was.why == health.ConsecutiveGatewayFailure:
		if !m.offends(rules, was.why) {
			return spared{}
		}
	case time.Duration(now-was.at) > rules.Interval+2*time.Second:
		return spared{}
	}
	return was
}
