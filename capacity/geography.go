package capacity

import (
	"cmp"
	"math"
	"time"
)

// A geography says how far zones and regions are from the proxy.
type geography struct {
	here    Place
	zones   map[Place]time.Duration
	regions map[string]time.Duration
}

// far is how far those are of which nothing is known.
const far = time.Duration(math.MaxInt64)

// survey reads the distances off groups. Those that take no traffic count too:
// draining one does not move its region.
func survey(groups []Group, here Place) geography {
	geo := geography{here, make(map[Place]time.Duration), make(map[string]time.Duration)}
	farthest := make(map[string]time.Duration) // known zone of each region
	if geo.known() {
		farthest[here.Region] = 0
	}
	for _, g := range groups {
		rtt := g.RTT
		switch {
		case geo.ownZone(g.Place):
			rtt = 0
		case rtt < 0:
			rtt = far
		}
		if d, ok := geo.zones[g.Place]; ok {
			rtt = min(rtt, d)
		}
		geo.zones[g.Place] = rtt
	}
	for place, rtt := range geo.zones {
		if rtt < far {
			farthest[place.Region] = max(farthest[place.Region], rtt)
		}
	}
	for place, rtt := range geo.zones {
		// A region is one place on the map: a zone of which nothing is known is just
		// behind the farthest of its region that is known, not behind the ocean.
		if d, ok := farthest[place.Region]; ok && rtt == far {
			rtt = d + 1
			geo.zones[place] = rtt
		}
		if d, ok := geo.regions[place.Region]; ok {
			rtt = min(rtt, d)
		}
		geo.regions[place.Region] = rtt
	}
	return geo
}

func (g geography) known() bool { return g.here != Place{} }

func (g geography) ownZone(p Place) bool { return g.here.Zone != "" && p == g.here }

func (g geography) ownRegion(region string) bool { return g.known() && region == g.here.Region }

// compareZones orders zones by distance.
func (g geography) compareZones(a, b Place) int {
	return cmp.Or(
		first(g.ownZone(a), g.ownZone(b)),
		cmp.Compare(g.zones[a], g.zones[b]),
		first(g.ownRegion(a.Region), g.ownRegion(b.Region)),
	)
}

// compareRegions orders regions by distance: that of their nearest zone, but the
// proxy's own is the first in any case.
func (g geography) compareRegions(a, b string) int {
	return cmp.Or(
		first(g.ownRegion(a), g.ownRegion(b)),
		cmp.Compare(g.regions[a], g.regions[b]),
	)
}

// first orders those of which something is true before those of which it is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
