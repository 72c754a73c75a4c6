package capacity_test

import (
	"math"
	"slices"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

// near compares what arithmetic with fractions cannot make equal.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func ill(g capacity.Group, healthy int) capacity.Group {
	g.Healthy, g.Serving = healthy, healthy > 0
	return g
}

func target(g capacity.Group, target float64) capacity.Group {
	g.Target = target
	return g
}

func drained(g capacity.Group) capacity.Group {
	g.Drained = true
	return g
}

// panicked is a group of which all are ill and serve all the same.
func panicked(g capacity.Group) capacity.Group {
	g.Healthy, g.Serving = 0, true
	return g
}

// Those that are ill and serve get what nobody else takes at all.
func TestTheLastResortAreTheIllThatServe(t *testing.T) {
	eu := capacity.Place{Region: "eu", Zone: "a"}
	a, b, c := at("eu", "a", 0), at("eu", "b", msec), at("us", "c", 2*msec)
	strict := capacity.ServicePolicy{Isolation: capacity.Strict}
	for _, tt := range []struct {
		name   string
		groups []capacity.Group
		policy capacity.ServicePolicy
		want   []float64
	}{
		{"in proportion to their targets", []capacity.Group{a, panicked(target(b, 100)), panicked(target(c, 300))}, capacity.ServicePolicy{}, []float64{0, .25, .75}},
		{"all are well", []capacity.Group{a, b, c}, capacity.ServicePolicy{}, []float64{0, 0, 0}},
		{"all are ill and serve", []capacity.Group{panicked(a), panicked(b)}, capacity.ServicePolicy{}, []float64{0, 0}},
		{"ill ones that do not serve", []capacity.Group{a, ill(b, 0)}, capacity.ServicePolicy{}, []float64{0, 0}},
		{"drained ones", []capacity.Group{a, drained(panicked(b)), panicked(c)}, capacity.ServicePolicy{}, []float64{0, 0, 1}},
		{"those out of scope", []capacity.Group{a, panicked(b), panicked(c)}, strict, []float64{0, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := capacity.Arrange(tt.groups, eu, tt.policy).LastResort; !slices.EqualFunc(got, tt.want, near) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestSharesAreTargetTimesAvailability(t *testing.T) {
	eu := capacity.Place{Region: "eu", Zone: "a"}
	a, b, c := at("eu", "a", 0), at("eu", "b", msec), at("eu", "c", 2*msec)
	tests := []struct {
		name          string
		groups        []capacity.Group
		shares, local []float64
		overfill      []float64
	}{
		{"equal", []capacity.Group{a, b}, []float64{.5, .5}, []float64{1, 0}, []float64{.5, .5}},
		{"T3 80/20", []capacity.Group{target(a, 80), target(b, 20)}, []float64{.8, .2}, []float64{1, 0}, []float64{.8, .2}},
		{"3 of 4 well is above the threshold", []capacity.Group{a, ill(b, 3)}, []float64{.5, .5}, []float64{1, 0}, []float64{.5, .5}},
		{"half of the threshold", []capacity.Group{a, {Name: "x", Place: b.Place, Target: 100, Members: 100, Healthy: 35, Serving: true}},
			[]float64{2. / 3, 1. / 3}, []float64{1, 0}, []float64{2. / 3, 1. / 3}},
		{"nobody well in one", []capacity.Group{a, ill(b, 0)}, []float64{1, 0}, nil, []float64{1, 0}},
		{"nobody well in the own zone", []capacity.Group{ill(a, 0), b, c}, []float64{0, .5, .5}, nil, []float64{0, .5, .5}},
		{"drained", []capacity.Group{a, drained(b), c}, []float64{.5, 0, .5}, []float64{1, 0, 0}, []float64{.5, 0, .5}},
		{"drained, and nobody else serves", []capacity.Group{ill(a, 0), drained(b)}, []float64{0, 1}, nil, []float64{0, 1}},
		{"all ill and serving: panic", []capacity.Group{panicked(a), panicked(target(b, 300))}, []float64{.25, .75}, []float64{1, 0}, []float64{.25, .75}},
		{"all ill", []capacity.Group{ill(a, 0), ill(b, 0)}, []float64{0, 0}, nil, []float64{0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := capacity.Arrange(tt.groups, eu, capacity.ServicePolicy{})
			tier := p.Tiers[0]
			if !slices.EqualFunc(tier.Shares, tt.shares, near) {
				t.Errorf("shares %v, want %v", tier.Shares, tt.shares)
			}
			if !slices.EqualFunc(tier.Local, tt.local, near) || (tier.Local == nil) != (tt.local == nil) {
				t.Errorf("local %v, want %v", tier.Local, tt.local)
			}
			if !slices.EqualFunc(p.Overfill, tt.overfill, near) {
				t.Errorf("overfill %v, want %v", p.Overfill, tt.overfill)
			}
		})
	}
}

// Rows of spec.md §3.5: Envoy's examples, whose factor of 1.4 is a threshold of
// 100/1.4, and our default.
func TestAvailability(t *testing.T) {
	const envoy = 100 / 1.4
	tests := []struct {
		name             string
		healthy, members int
		threshold        float64
		want             float64
	}{
		{"Envoy 72 percent", 72, 100, envoy, 1},
		{"Envoy 71 percent", 71, 100, envoy, .994},
		{"T9 Envoy 50 percent", 50, 100, envoy, .70},
		{"Envoy 25 percent", 25, 100, envoy, .35},
		{"Envoy 0 percent", 0, 100, envoy, 0},
		{"70 percent", 70, 100, capacity.DefaultFailoverHealthThreshold, 1},
		{"35 percent", 35, 100, capacity.DefaultFailoverHealthThreshold, .5},
		{"threshold 1", 1, 100, 1, 1},
		{"threshold 99", 99, 100, 99, 1},
		{"no members", 0, 0, 70, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := capacity.Availability(tt.healthy, tt.members, tt.threshold); !near(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Where traffic begins, for regions of 100 endpoints each at a threshold of 50.
func TestEntryFollowsHealth(t *testing.T) {
	tests := []struct {
		name    string
		healthy []int
		want    []float64
	}{
		{"all well", []int{100, 100}, []float64{1, 0}},
		{"at the threshold", []int{50, 100}, []float64{1, 0}},
		{"half of the threshold", []int{25, 100}, []float64{.5, .5}},
		{"nobody in the first", []int{0, 100}, []float64{0, 1}},
		{"nobody in the first two", []int{0, 0, 100}, []float64{0, 0, 1}},
		{"three share", []int{20, 20, 100}, []float64{.4, .4, .2}},
		{"all together are not enough", []int{10, 5}, []float64{2. / 3, 1. / 3}},
		{"only the first is a little well", []int{1, 0}, []float64{1, 0}},
		{"nobody", []int{0, 0}, []float64{0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var groups []capacity.Group
			for i, h := range tt.healthy {
				g := ill(at("r"+string(rune('a'+i)), "z", 0), h)
				g.Members = 100
				groups = append(groups, g)
			}
			var got []float64
			for _, tier := range capacity.Arrange(groups, capacity.Place{}, capacity.ServicePolicy{FailoverHealthThreshold: 50}).Tiers {
				got = append(got, tier.Entry)
			}
			if !slices.EqualFunc(got, tt.want, near) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestInPanicTheFirstThatServesIsEntered(t *testing.T) {
	groups := []capacity.Group{ill(at("eu", "a", 0), 0), panicked(at("us", "a", msec)), panicked(at("us", "b", 2*msec))}
	p := capacity.Arrange(groups, capacity.Place{Region: "eu"}, capacity.ServicePolicy{})
	if p.Tiers[0].Entry != 0 || p.Tiers[1].Entry != 1 {
		t.Errorf("got %+v", p.Tiers)
	}
}

// Drained is as good as a target of 0: health that is not there is not missed.
func TestADrainedGroupSendsNobodyAway(t *testing.T) {
	groups := []capacity.Group{at("eu", "a", 0), drained(ill(at("eu", "b", 0), 0)), at("us", "a", msec)}
	p := capacity.Arrange(groups, capacity.Place{Region: "eu"}, capacity.ServicePolicy{})
	if p.Tiers[0].Entry != 1 {
		t.Errorf("got %+v", p.Tiers)
	}
}

func TestNoLocalBiasWhereAGroupHasNoLimit(t *testing.T) {
	groups := []capacity.Group{at("eu", "a", 0), at("eu", "b", 0)}
	groups[1].Unlimited = true
	p := capacity.Arrange(groups, groups[0].Place, capacity.ServicePolicy{})
	if p.Tiers[0].Local != nil {
		t.Errorf("got %v: how full the region is cannot be known", p.Tiers[0].Local)
	}
}

func TestBias(t *testing.T) {
	for fullness, want := range map[float64]float64{0: 1, .1: 1, .2: .75, .3: .5, .5: 0, 1: 0, 2: 0} {
		if got := capacity.Bias(fullness); !near(got, want) {
			t.Errorf("at %v: got %v, want %v", fullness, got, want)
		}
	}
}
