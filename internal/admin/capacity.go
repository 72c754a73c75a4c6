package admin

import (
	"math"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// A GroupCapacity is what is to be said of a group that has a balancing mode.
type GroupCapacity struct {
	// BalancingMode is RATE, CONNECTION, UTILIZATION, CUSTOM_METRICS or IN_FLIGHT.
	BalancingMode string `json:"balancing_mode"`
	// Target is what the whole group can take: requests per second, connections or
	// requests under way. With UTILIZATION and CUSTOM_METRICS it is what its
	// endpoints' reports come to in requests or connections per second, and 0 while
	// that is not known.
	Target float64 `json:"target"`
	// CapacityScaler is the part of it that is to be used: the file's, or what was
	// set since.
	CapacityScaler float64 `json:"capacity_scaler"`
	// Capacity is Target times CapacityScaler, and 0 while Drained.
	Capacity float64 `json:"capacity"`
	// Usage is what is used of Capacity now, a rate as the mean of ten seconds.
	// Fullness is usage ÷ target of the fullest target; 1 is full.
	Usage    float64 `json:"usage"`
	Fullness float64 `json:"fullness"`
	// Metrics are the means of what its endpoints report that its mode goes by, dry
	// runs too; not there where nothing is reported.
	Metrics []MetricStatus `json:"metrics,omitempty"`
	// Drained: its capacity_scaler is 0, or too few of its endpoints are healthy.
	Drained bool `json:"drained"`
	// Tier says when it is filled, from 0; -1: never.
	Tier int `json:"tier"`
	// RTT is how far its zone is, in seconds; not there while that is not known.
	RTT *float64 `json:"rtt,omitempty"`
}

// A MetricStatus is a metric that a group's endpoints report.
type MetricStatus struct {
	Name        string  `json:"name"`
	Utilization float64 `json:"utilization"`
}

// A Spill counts the requests or connections that went to another tier because
// their own was full.
type Spill struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count uint64 `json:"count"`
}

// viewCapacity returns nil for a group without a mode.
func viewCapacity(g *lb.GroupStatus) *GroupCapacity {
	if g.Mode == capacity.NoMode {
		return nil
	}
	v := &GroupCapacity{
		BalancingMode:  g.Mode.String(),
		Target:         finite(g.Target),
		CapacityScaler: finite(g.Scaler),
		Capacity:       finite(g.Capacity),
		Usage:          finite(g.Usage),
		Fullness:       finite(g.Fullness),
		Drained:        g.Drained,
		Tier:           max(g.Tier, -1),
	}
	for _, m := range g.Metrics {
		v.Metrics = append(v.Metrics, MetricStatus{m.Name, finite(m.Utilization)})
	}
	if g.RTT >= 0 {
		rtt := float64(g.RTT) / float64(time.Second)
		v.RTT = &rtt
	}
	return v
}

// shares returns the part of new traffic that a group should get, and what it
// got. Where there is no capacity these are its endpoints' together.
func shares(g *lb.GroupStatus) (expected, actual float64) {
	if g.Mode != capacity.NoMode {
		return finite(g.Share), finite(g.ShareActual)
	}
	for _, e := range g.Endpoints {
		expected += e.ShareExpected
		actual += e.ShareActual
	}
	return expected, actual
}

func viewSpills(all []lb.Spill) []Spill {
	var v []Spill
	for _, s := range all {
		v = append(v, Spill(s))
	}
	return v
}

// finite makes a number of x that JSON can hold.
func finite(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(math.MaxFloat64, x)
	}
	return x
}
