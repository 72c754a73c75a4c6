package capacity_test

import (
	"math"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

// eu and us are two zones of 80 and 20 each, seen from eu/a.
func euAndUS() []capacity.Group {
	return []capacity.Group{
		target(at("eu", "a", 0), 80), target(at("eu", "b", msec), 20),
		target(at("us", "a", 90*msec), 80), target(at("us", "b", 91*msec), 20),
	}
}

var inEUa = capacity.Place{Region: "eu", Zone: "a"}

// amounts is what groups get of a demand.
func amounts(groups []capacity.Group, here capacity.Place, p capacity.ServicePolicy, demand float64) []float64 {
	parts := capacity.Arrange(groups, here, p).Fill(groups, demand)
	for i := range parts {
		parts[i] *= demand
	}
	return parts
}

func wantAmounts(t *testing.T, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-6 {
			t.Errorf("got %.3f, want %v", got, want)
			return
		}
	}
}

// Rows of spec.md §3.2, as demand rises, for groups of 80 and 20 in the near
// region and the same in the far one.
func TestAlgorithms(t *testing.T) {
	tests := []struct {
		algorithm capacity.Algorithm
		demand    float64
		want      []float64
	}{
		{capacity.WaterfallByRegion, 5, []float64{5, 0, 0, 0}},
		{capacity.WaterfallByRegion, 30, []float64{27, 3, 0, 0}}, // half of the bias
		{capacity.WaterfallByRegion, 50, []float64{40, 10, 0, 0}},
		{capacity.WaterfallByRegion, 100, []float64{80, 20, 0, 0}},
		{capacity.WaterfallByRegion, 150, []float64{80, 20, 40, 10}},
		{capacity.WaterfallByRegion, 200, []float64{80, 20, 80, 20}},
		{capacity.WaterfallByRegion, 400, []float64{160, 40, 160, 40}},
		{capacity.SprayToRegion, 5, []float64{4, 1, 0, 0}},
		{capacity.SprayToRegion, 100, []float64{80, 20, 0, 0}},
		{capacity.SprayToRegion, 150, []float64{80, 20, 40, 10}},
		{capacity.SprayToRegion, 400, []float64{160, 40, 160, 40}},
		{capacity.WaterfallByZone, 5, []float64{5, 0, 0, 0}},
		{capacity.WaterfallByZone, 80, []float64{80, 0, 0, 0}},
		{capacity.WaterfallByZone, 90, []float64{80, 10, 0, 0}},
		{capacity.WaterfallByZone, 150, []float64{80, 20, 50, 0}},
		{capacity.WaterfallByZone, 400, []float64{160, 40, 160, 40}},
		{capacity.SprayToWorld, 5, []float64{2, .5, 2, .5}},
		{capacity.SprayToWorld, 400, []float64{160, 40, 160, 40}},
	}
	for _, tt := range tests {
		t.Run(tt.algorithm.String(), func(t *testing.T) {
			wantAmounts(t, amounts(euAndUS(), inEUa, capacity.ServicePolicy{Algorithm: tt.algorithm}, tt.demand), tt.want)
		})
	}
}

// The comparison at the end of spec.md §3.2: whether zones of the proxies' region
// are used alike, regions are, and zones by a proxy that has little to do.
func TestUniformUse(t *testing.T) {
	tests := []struct {
		algorithm              capacity.Algorithm
		region, regions, proxy bool
	}{
		{capacity.WaterfallByRegion, true, false, false},
		{capacity.SprayToRegion, true, false, true},
		{capacity.WaterfallByZone, false, false, false},
	}
	groups := []capacity.Group{at("eu", "a", -1), at("eu", "b", -1), at("eu", "c", -1), at("us", "a", -1)}
	even := func(x []float64) bool { return near(x[0], x[1]) && near(x[1], x[2]) }
	for _, tt := range tests {
		t.Run(tt.algorithm.String(), func(t *testing.T) {
			busy := amounts(groups, inEUa, capacity.ServicePolicy{Algorithm: tt.algorithm}, 180)
			if got := even(busy); got != tt.region {
				t.Errorf("within the region: %v, want %v: %v", got, tt.region, busy)
			}
			if got := near(busy[0], busy[3]); got != tt.regions {
				t.Errorf("across regions: %v, want %v: %v", got, tt.regions, busy)
			}
			idle := amounts(groups, inEUa, capacity.ServicePolicy{Algorithm: tt.algorithm}, 30)
			if got := even(idle); got != tt.proxy {
				t.Errorf("by one proxy at any rate: %v, want %v: %v", got, tt.proxy, idle)
			}
		})
	}
}

// In aggregate the local bias evens out: proxies in all zones use all alike.
func TestLocalBiasOfAllProxiesEvensOut(t *testing.T) {
	groups := []capacity.Group{at("eu", "a", -1), at("eu", "b", -1), at("eu", "c", -1)}
	for _, demand := range []float64{3, 30, 60, 120, 290} {
		sum := make([]float64, len(groups))
		for _, zone := range []string{"a", "b", "c"} {
			for i, x := range amounts(groups, capacity.Place{Region: "eu", Zone: zone}, capacity.ServicePolicy{}, demand) {
				sum[i] += x
			}
		}
		wantAmounts(t, sum, []float64{demand, demand, demand})
	}
}

// Rows of spec.md §2.4.
func TestTargetsAreNoCircuitBreakers(t *testing.T) {
	groups := euAndUS()
	t.Run("T3 groups 80/20 and a demand of 200", func(t *testing.T) {
		wantAmounts(t, amounts(groups[:2], inEUa, capacity.ServicePolicy{}, 200), []float64{160, 40})
	})
	t.Run("a demand without end", func(t *testing.T) {
		parts := capacity.Arrange(groups, inEUa, capacity.ServicePolicy{}).Fill(groups, math.Inf(1))
		wantAmounts(t, parts, []float64{.4, .1, .4, .1})
	})
	t.Run("no demand", func(t *testing.T) {
		for _, demand := range []float64{0, -1, math.NaN()} {
			parts := capacity.Arrange(groups, inEUa, capacity.ServicePolicy{}).Fill(groups, demand)
			wantAmounts(t, parts, []float64{1, 0, 0, 0})
			parts = capacity.Arrange(groups, inEUa, capacity.ServicePolicy{Algorithm: capacity.SprayToRegion}).Fill(groups, demand)
			wantAmounts(t, parts, []float64{.8, .2, 0, 0})
		}
	})
	t.Run("nobody serves", func(t *testing.T) {
		groups := []capacity.Group{ill(groups[0], 0), ill(groups[2], 0)}
		wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{}, 100), []float64{0, 0})
	})
	t.Run("no groups", func(t *testing.T) {
		if got := capacity.Arrange(nil, inEUa, capacity.ServicePolicy{}).Fill(nil, 5); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

// Rows of spec.md §3.7. A demand of 150 is too much for the near region's 100; with
// a demand of 50, half of what would stay at the threshold is well there.
func TestIsolation(t *testing.T) {
	const unset, nearest, strict = capacity.NotIsolated, capacity.Nearest, capacity.Strict
	tests := []struct {
		name      string
		isolation capacity.Isolation
		want      []float64
	}{
		{"unset: capacity overflow", unset, []float64{80, 20, 40, 10}},
		{"unset: health overflow", unset, []float64{20, 5, 20, 5}},
		{"unset: none configured nearby", unset, []float64{40, 10}},
		{"NEAREST: capacity overflow", nearest, []float64{120, 30, 0, 0}},
		{"NEAREST: health overflow", nearest, []float64{20, 5, 20, 5}},
		{"NEAREST: none configured nearby", nearest, []float64{40, 10}},
		{"STRICT: capacity overflow", strict, []float64{120, 30, 0, 0}},
		{"STRICT: health overflow", strict, []float64{40, 10, 0, 0}},
		{"STRICT: none configured nearby", strict, []float64{0, 0}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			groups, demand := euAndUS(), 150.0
			switch i % 3 {
			case 1:
				demand = 50
				for g := range 2 {
					groups[g].Members, groups[g].Healthy = 100, 35
				}
			case 2:
				groups, demand = groups[2:], 50
			}
			p := capacity.ServicePolicy{Algorithm: capacity.SprayToRegion, Isolation: tt.isolation}
			wantAmounts(t, amounts(groups, inEUa, p, demand), tt.want)
		})
	}
	t.Run("NEAREST: nobody healthy nearby, and too much for the next", func(t *testing.T) {
		groups := euAndUS()
		groups = append(groups, target(at("asia", "a", 200*msec), 1000))
		groups[0], groups[1] = ill(groups[0], 0), ill(groups[1], 0)
		wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{Isolation: nearest}, 150), []float64{0, 0, 120, 30, 0})
	})
	t.Run("NEAREST: zones of one region help each other", func(t *testing.T) {
		p := capacity.ServicePolicy{Isolation: nearest, Algorithm: capacity.WaterfallByZone}
		wantAmounts(t, amounts(euAndUS(), inEUa, p, 90), []float64{80, 10, 0, 0})
	})
}

// Rows of spec.md §3.6.
func TestPreferredGroupsAreFilledFirst(t *testing.T) {
	groups := euAndUS()
	groups[1].Preferred, groups[2].Preferred = true, true
	for demand, want := range map[float64][]float64{
		10:  {0, 10, 0, 0},
		100: {0, 20, 80, 0}, // the nearest first, and then those far away before others nearby
		130: {30, 20, 80, 0},
		190: {80, 20, 80, 10},
		400: {160, 40, 160, 40},
	} {
		wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{}, demand), want)
	}
}

// Rows of spec.md §3.5: what a group's illness costs it, and its region.
func TestHealthMovesTraffic(t *testing.T) {
	tests := []struct {
		name    string
		healthy []int // of 100 in each group
		want    []float64
	}{
		{"above the threshold nothing moves", []int{70, 100, 100, 100}, []float64{40, 10, 0, 0}},
		// 35 and 100 of 200 are well: 0.675/0.7 of the traffic stays in the region.
		{"below it the group's own share falls", []int{35, 100, 100, 100}, []float64{50 * .675 / .7 * 2 / 3, 50 * .675 / .7 / 3, 50 * .025 / .7 * .8, 50 * .025 / .7 * .2}},
		{"a quarter of the region", []int{25, 25, 100, 100}, []float64{50 * .25 / .7 * .8, 50 * .25 / .7 * .2, 50 * .45 / .7 * .8, 50 * .45 / .7 * .2}},
		{"nobody", []int{0, 0, 100, 100}, []float64{0, 0, 40, 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			groups := euAndUS()
			for i := range groups {
				groups[i].Members = 100
				groups[i] = ill(groups[i], tt.healthy[i])
			}
			wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{Algorithm: capacity.SprayToRegion}, 50), tt.want)
		})
	}
}

// What begins in a far tier because the near one is ill goes back to it when the
// far one is full, before anybody gets too much.
func TestOverflowTriesTheTiersBefore(t *testing.T) {
	groups := []capacity.Group{target(at("eu", "a", 0), 100), target(at("us", "a", msec), 10)}
	groups[0].Members, groups[0].Healthy = 100, 35
	wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{}, 100), []float64{90, 10})
}

func TestAGroupWithoutLimitTakesTheRest(t *testing.T) {
	groups := euAndUS()
	groups[1].Unlimited = true
	wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{}, 50), []float64{40, 10, 0, 0})
	wantAmounts(t, amounts(groups, inEUa, capacity.ServicePolicy{}, 500), []float64{80, 420, 0, 0})
}
