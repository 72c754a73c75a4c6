package lb

import (
	"slices"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/balance"
)

// A departure is an endpoint that is no longer wanted and still holds leases. It
// keeps its counters should it come back, and nothing else: its health would be out
// of date, and the operator's word is over.
type departure struct {
	endpoint *balance.Endpoint
	group    string // the name of the one that it was in
	since    time.Time
	counted  uint64 // as of a member
}

// depart notes those of known, which were members or departures and are not wanted
// any more, that hold leases. was are the options when they were.
func (s *state) depart(known map[string]*member, was *Options) {
	before := s.departed
	s.departed = nil
	for _, m := range known {
		if m.endpoint.Load.Active() == 0 {
			continue
		}
		d := departure{endpoint: m.endpoint, counted: m.counted, since: s.flow.at(s.flow.clock())}
		i := slices.IndexFunc(before, func(b departure) bool { return b.endpoint == m.endpoint })
		if i >= 0 {
			d.since, d.group = before[i].since, before[i].group
		} else {
			d.group = was.Groups[m.group].Name
		}
		s.departed = append(s.departed, d)
	}
	slices.SortFunc(s.departed, func(a, b departure) int { return strings.Compare(a.endpoint.ID, b.endpoint.ID) })
}

// letGo forgets departures whose last lease has ended.
func (s *state) letGo() {
	s.departed = slices.DeleteFunc(s.departed, func(d departure) bool { return d.endpoint.Load.Active() == 0 })
}

// removed describes the departures that still hold leases.
func (s *state) removed() []RemovedStatus {
	var out []RemovedStatus
	for _, d := range s.departed {
		if n := d.endpoint.Load.Active(); n > 0 {
			out = append(out, RemovedStatus{
				ID: d.endpoint.ID, Addr: d.endpoint.Addr, Group: d.group, Since: d.since, Active: n, Load: d.endpoint.Load,
			})
		}
	}
	return out
}
