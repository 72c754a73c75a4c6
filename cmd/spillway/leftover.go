package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

// A leftover is what an endpoint or a group that drains still has: a line of drain
// --wait --json.
type leftover struct {
	Service  string `json:"service"`
	Endpoint string `json:"endpoint,omitempty"`
	Group    string `json:"group,omitempty"`
	// Active is how many Of are left: requests, connections or sessions.
	Active int64   `json:"active"`
	Of     string  `json:"of"`
	Oldest float64 `json:"oldest_seconds"`
	Bytes  uint64  `json:"bytes"`
	// Until is when the last of them is cut; not there: never.
	Until *time.Time `json:"until,omitempty"`
	// Removed: some or all of it is on an endpoint that has left the file.
	Removed bool `json:"removed"`
	Drained bool `json:"drained"` // nothing is left

	there bool // the endpoint is in the file
	admin string
	// sessions: strong ones may be bound to it, whose requests still go there.
	sessions bool
	requests uint64 // that it ever got
}

func newLeftover(v *admin.ServiceStatus) *leftover {
	of := "requests"
	switch v.Protocol {
	case "TCP", "SSL":
		of = "connections"
	case "UDP":
		of = "sessions"
	}
	return &leftover{Service: v.Name, Of: of}
}

// leftOn is what an endpoint has, in the file or not.
func leftOn(v *admin.ServiceStatus, endpoint string) *leftover {
	l := newLeftover(v)
	l.Endpoint = endpoint
	for _, g := range v.Groups {
		for i := range g.Endpoints {
			if e := &g.Endpoints[i]; e.ID == endpoint {
				l.there, l.admin = true, e.Admin
				l.sessions = v.KeepsSessions && e.Admin == "DRAIN"
				l.addEndpoint(e)
			}
		}
	}
	for i := range v.Removed {
		r := &v.Removed[i]
		if r.ID == endpoint && !l.there { // one that has moved is in the file with all that it has
			l.addRemoved(r)
		}
	}
	l.Drained = l.Active == 0
	return l
}

// leftOnGroup is what a drained group has.
func leftOnGroup(v *admin.ServiceStatus, group string) (*leftover, error) {
	l := newLeftover(v)
	l.Group = group
	known := make(map[string]bool)
	for _, g := range v.Groups {
		if g.Name != group {
			continue
		}
		l.there, l.sessions = true, v.KeepsSessions
		if g.GroupCapacity == nil || g.CapacityScaler != 0 {
			return nil, fmt.Errorf("group %s of %s is not drained any more", group, v.Name)
		}
		for i := range g.Endpoints {
			known[g.Endpoints[i].ID] = true
			l.addEndpoint(&g.Endpoints[i])
		}
	}
	for i := range v.Removed {
		if r := &v.Removed[i]; r.Group == group && !known[r.ID] {
			l.addRemoved(r)
		}
	}
	l.Drained = l.Active == 0
	return l, nil
}

func (l *leftover) addEndpoint(e *admin.EndpointStatus) {
	l.Active += e.Active
	l.requests += e.Requests
	if c := e.Connections; c != nil {
		l.add(c.Oldest, c.Bytes, c.Until)
	}
}

func (l *leftover) addRemoved(r *admin.RemovedStatus) {
	l.Removed = true
	l.Active += r.Active
	l.add(r.Oldest, r.Bytes, r.Until)
}

func (l *leftover) add(oldest float64, bytes uint64, until *time.Time) {
	l.Oldest = max(l.Oldest, oldest)
	l.Bytes += bytes
	if until != nil && (l.Until == nil || until.After(*l.Until)) {
		l.Until = until
	}
}

// same reports whether there is no news since then: ages and bytes always change.
func (l *leftover) same(then *leftover) bool {
	return (l.Active == then.Active || l.sessions) && l.Removed == then.Removed && l.there == then.there && (l.Until == nil) == (then.Until == nil)
}

// String is a line for people.
func (l *leftover) String() string {
	var b strings.Builder
	if l.Group != "" {
		b.WriteString("group ")
	}
	fmt.Fprintf(&b, "%s of %s", l.Endpoint+l.Group, l.Service)
	if !l.there {
		b.WriteString(", which has left the file")
	}
	switch {
	case l.Drained && l.sessions:
		return b.String() + fmt.Sprintf(": nothing is left, and no session has asked for %v", sessionsPause)
	case l.Drained:
		return b.String() + ": nothing is left"
	}
	of := l.Of
	if l.Active == 1 {
		of = strings.TrimSuffix(of, "s")
	}
	fmt.Fprintf(&b, ": %d %s left", l.Active, of)
	if l.Oldest > 0 {
		fmt.Fprintf(&b, ", the oldest %v, %s", span(time.Duration(l.Oldest*float64(time.Second))), size(l.Bytes))
	}
	if l.Until != nil {
		fmt.Fprintf(&b, ", cut in %v", span(max(time.Until(*l.Until), 0)))
	}
	if l.sessions {
		b.WriteString("; sessions stay")
	}
	return b.String()
}

// sessionsPause is how long no request may have come until an endpoint that keeps its
// strong sessions counts as left by them. Nobody counts sessions, and between two of its
// requests one has nothing under way.
const sessionsPause = 10 * time.Second

// A lull is what waiting knows of the requests of sessions that stay.
type lull struct {
	requests uint64
	since    time.Time // of the last that came
}

// judge makes of nothing under way that nothing is left, or not.
func (u *lull) judge(l *leftover, now time.Time) {
	if !l.sessions {
		return
	}
	if u.since.IsZero() || l.requests != u.requests {
		u.requests, u.since = l.requests, now
	}
	l.Drained = l.Drained && now.Sub(u.since) >= sessionsPause
}

// span is a duration without more digits than people read.
func span(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

// size is a number of bytes for people.
func size(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	x, i := float64(n)/1000, 0
	for x >= 1000 {
		x, i = x/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", x, units[i])
}

// printLeft prints a leftover: JSON on one line, for whoever reads as it comes.
func (c *console) printLeft(l *leftover, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		return e.Encode(l)
	}
	_, err := fmt.Fprintln(c.out, l)
	return err
}
