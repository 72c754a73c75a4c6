package capacity

import "time"

// An Algorithm says in which order groups are filled (spec.md §3.2).
type Algorithm uint8

const (
	// WaterfallByRegion fills the nearest region first, its groups in proportion
	// to their capacity but, while there is little to do, the proxy's own zone
	// before the others.
	WaterfallByRegion Algorithm = iota
	// SprayToRegion is the same without a preference for a zone.
	SprayToRegion
	// WaterfallByZone fills the nearest zone first.
	WaterfallByZone
	// SprayToWorld spreads over all groups in proportion to capacity.
	SprayToWorld
)

// An Isolation says how far traffic may leave a region (spec.md §3.7).
type Isolation uint8

const (
	// NotIsolated lets full and ill regions spill to the next.
	NotIsolated Isolation = iota
	// Nearest overfills the nearest region; only what its ill endpoints leave
	// undone goes to the next.
	Nearest
	// Strict never leaves the proxy's own region.
	Strict
)

// A ServicePolicy says how traffic is spread over a service's groups, those
// with a Mode (spec.md §3). The zero value is the default.
type ServicePolicy struct {
	Algorithm Algorithm
	Isolation Isolation
	// AutoDrain takes groups out of which less than a quarter is healthy, see
	// AutoDrain.
	AutoDrain bool
	// FailoverHealthThreshold is the percentage of healthy endpoints, 1 to 99,
	// below which a part of the traffic leaves for other groups. 0 stands for
	// DefaultFailoverHealthThreshold.
	FailoverHealthThreshold int
}

// DefaultFailoverHealthThreshold is about what overprovisioning by 1.4 comes to.
const DefaultFailoverHealthThreshold = 70

// A Place is where a proxy or a group is. Zones of two regions may have one
// name. An empty part is not known.
type Place struct{ Region, Zone string }

// A Zone is how far a zone is from the proxy.
type Zone struct {
	Place
	RTT time.Duration
}
