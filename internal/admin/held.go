package admin

import (
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// Held is what an endpoint still has that takes nothing new, or that has left the
// file.
type Held struct {
	ID, Addr, Group string
	Removed         time.Time // zero: it is still in the file
	Active          int64
	Bytes           uint64    // that these have carried, both ways
	Oldest          time.Time // when the first of them began; zero: not known
	Until           time.Time // when what is left is cut; zero: never
}

// ConnectionsStatus is what is left on an endpoint that takes nothing new.
type ConnectionsStatus struct {
	// Active is how many requests under way, connections or sessions there are.
	Active int64 `json:"active"`
	// Oldest is the age of the first of them, Bytes what they have carried, both ways. A
	// connection to an endpoint that HTTP requests share counts with all that it has
	// carried.
	Oldest float64 `json:"oldest_seconds"`
	Bytes  uint64  `json:"bytes"`
	// Until is when what is left is cut; not there: it ends by itself.
	Until *time.Time `json:"until,omitempty"`
}

func (h *Held) view(now time.Time) ConnectionsStatus {
	v := ConnectionsStatus{Active: h.Active, Bytes: h.Bytes, Until: moment(h.Until)}
	if !h.Oldest.IsZero() {
		v.Oldest = max(now.Sub(h.Oldest).Seconds(), 0)
	}
	return v
}

// viewHeld fills in what endpoints hold, and who was removed.
func viewHeld(v *ServiceStatus, s *Service) {
	now := time.Now()
	there := make(map[string]*Held, len(s.Held))
	for i := range s.Held {
		h := &s.Held[i]
		if h.Removed.IsZero() {
			there[h.ID] = h
			continue
		}
		left := h.view(now)
		v.Removed = append(v.Removed, RemovedStatus{
			ID: h.ID, Address: h.Addr, Group: h.Group, Since: h.Removed,
			Active: left.Active, Oldest: left.Oldest, Bytes: left.Bytes, Until: left.Until,
		})
	}
	if s.Held == nil {
		v.Removed = viewRemoved(s.Status.Removed)
	}
	for g := range v.Groups {
		for e := range v.Groups[g].Endpoints {
			if h := there[v.Groups[g].Endpoints[e].ID]; h != nil {
				left := h.view(now)
				v.Groups[g].Endpoints[e].Connections = &left
			}
		}
	}
}

// viewRemoved is for a program whose connections nobody can ask.
func viewRemoved(all []lb.RemovedStatus) []RemovedStatus {
	var v []RemovedStatus
	for _, r := range all {
		v = append(v, RemovedStatus{ID: r.ID, Address: r.Addr, Group: r.Group, Since: r.Since, Active: r.Active})
	}
	return v
}
