package lb

// ZonalAffinity keeps new traffic in one zone, as far as it goes (spec.md §9.4).
// It narrows what failover has chosen: a pool that has nobody in the zone is
// used as if there were no affinity.
type ZonalAffinity struct {
	Spillover Spillover
	// Ratio is for SpillCrossZone: the part of the zone's endpoints, 0 to 1,
	// below which traffic goes to all zones. 0: only when none is healthy.
	Ratio float64
	// Region and Zone are where the proxy is. Zone is required unless Spillover is
	// ZonalAffinityDisabled; Region counts where a group has one too, for zones of
	// two regions may have one name.
	Region, Zone string
}

// holds reports whether a group is in the zone.
func (z ZonalAffinity) holds(g *Group) bool {
	return z.Zone != "" && g.Zone == z.Zone && (z.Region == "" || g.Region == "" || g.Region == z.Region)
}

// Spillover says when traffic leaves the zone.
type Spillover uint8

const (
	// ZonalAffinityDisabled makes no difference between zones.
	ZonalAffinityDisabled Spillover = iota
	// StayWithinZone never leaves the zone, be everybody in it ill.
	StayWithinZone
	// SpillCrossZone leaves it when too few there are healthy.
	SpillCrossZone
)

// staysInZone decides whether those of the zone take everything.
//
//	spillover      │ of the zone          │ who takes traffic
//	───────────────┼──────────────────────┼──────────────────
//	disabled       │                      │ all zones
//	any            │ nobody is there      │ all zones
//	stay           │                      │ the zone
//	spill          │ none well            │ all zones
//	spill          │ well ÷ all ≥ ratio   │ the zone
//	spill          │ well ÷ all < ratio   │ all zones
func (z ZonalAffinity) staysInZone(local tally) bool {
	switch {
	case local.all == 0:
		return false
	case z.Spillover == StayWithinZone:
		return true
	default:
		return z.Spillover == SpillCrossZone && !local.ratioBelow(z.Ratio)
	}
}
