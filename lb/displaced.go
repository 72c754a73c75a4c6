package lb

import "sync/atomic"

// displaced counts picks that affinity could not keep where they belong although they
// could have been served there, but for a limit. It is written on the way that a pick
// takes only when it has met one.
type displaced struct{ atMax, groupFull atomic.Uint64 }

// A Displacement counts, since New, the requests and connections with a key or a session
// that went elsewhere because there was no room where they belong. What goes elsewhere
// because an endpoint is ill, drained or gone is not in here: nobody asks that one.
type Displacement struct {
	// AtMax is because their endpoint held as many leases as its Max allows, GroupFull
	// because their group was used to capacity.
	AtMax, GroupFull uint64
}

func (d *displaced) read() Displacement {
	return Displacement{AtMax: d.atMax.Load(), GroupFull: d.groupFull.Load()}
}

// belongs reports whether the request is to get a certain endpoint if that can be had. Who
// tries again, and so avoids somebody, has been there.
func (r *Request) belongs() bool { return (r.Keyed || r.Sticky != "") && len(r.Avoid) == 0 }
