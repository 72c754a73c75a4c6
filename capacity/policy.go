package capacity

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

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

var algorithms = [...]string{
	WaterfallByRegion: "WATERFALL_BY_REGION", SprayToRegion: "SPRAY_TO_REGION",
	WaterfallByZone: "WATERFALL_BY_ZONE", SprayToWorld: "SPRAY_TO_WORLD",
}

// String gives the API's spelling.
func (a Algorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a]
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// ParseAlgorithm reads what String writes, in any case.
func ParseAlgorithm(s string) (Algorithm, error) {
	for i, name := range algorithms {
		if strings.EqualFold(s, name) {
			return Algorithm(i), nil
		}
	}
	return 0, fmt.Errorf("capacity: load balancing algorithm %q: want WATERFALL_BY_REGION, SPRAY_TO_REGION, WATERFALL_BY_ZONE or SPRAY_TO_WORLD", s)
}

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

var isolations = [...]string{NotIsolated: "", Nearest: "NEAREST", Strict: "STRICT"}

// String gives the API's spelling; "" for NotIsolated.
func (i Isolation) String() string {
	if int(i) < len(isolations) {
		return isolations[i]
	}
	return fmt.Sprintf("Isolation(%d)", uint8(i))
}

// ParseIsolation reads what String writes, in any case.
func ParseIsolation(s string) (Isolation, error) {
	for i, name := range isolations {
		if strings.EqualFold(s, name) {
			return Isolation(i), nil
		}
	}
	return NotIsolated, fmt.Errorf("capacity: isolation mode %q: want NEAREST or STRICT", s)
}

// A ServicePolicy says how traffic is spread over a service's groups, those
// with a Mode (spec.md §3). The zero value is the default.
type ServicePolicy struct {
	Algorithm Algorithm
	Isolation Isolation
	// AutoDrain takes groups out of which less than a quarter is healthy; see the
	// type of that name.
	AutoDrain bool
	// FailoverHealthThreshold is the percentage of healthy endpoints, 1 to 99,
	// below which a part of the traffic leaves for other groups. 0 stands for
	// DefaultFailoverHealthThreshold.
	FailoverHealthThreshold int
}

// DefaultFailoverHealthThreshold is about what overprovisioning by 1.4 comes to.
const DefaultFailoverHealthThreshold = 70

// Validate reports everything about p that a proxy at here cannot do.
func (p ServicePolicy) Validate(here Place) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("capacity: "+format, args...)) }
	if int(p.Algorithm) >= len(algorithms) {
		bad("unknown Algorithm %d", p.Algorithm)
	}
	if int(p.Isolation) >= len(isolations) {
		bad("unknown Isolation %d", p.Isolation)
	}
	if p.Isolation == Strict && here.Region == "" {
		bad("Isolation STRICT needs the region that the proxy is in")
	}
	if t := p.FailoverHealthThreshold; t < 0 || t > 99 {
		bad("FailoverHealthThreshold %d: want 1 to 99", t)
	}
	return errors.Join(errs...)
}

// A Place is where a proxy or a group is. Zones of two regions may have one
// name. An empty part is not known.
type Place struct{ Region, Zone string }

// A Zone is how far a zone is from the proxy.
type Zone struct {
	Place
	RTT time.Duration
}
