package capacity_test

import (
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
)

const msec = time.Millisecond

// at makes a group that is well: four endpoints, a target of 100.
func at(region, zone string, rtt time.Duration) capacity.Group {
	return capacity.Group{
		Name: region + "/" + zone, Place: capacity.Place{Region: region, Zone: zone},
		Target: 100, Members: 4, Healthy: 4, Serving: true, RTT: rtt,
	}
}

func preferred(g capacity.Group) capacity.Group {
	g.Name, g.Preferred = "preferred "+g.Name, true
	return g
}

// names lists the groups of each tier.
func names(p capacity.Plan, groups []capacity.Group) [][]string {
	var out [][]string
	for _, t := range p.Tiers {
		var tier []string
		for _, g := range t.Groups {
			tier = append(tier, groups[g].Name)
		}
		out = append(out, tier)
	}
	return out
}

func TestNearerTiersComeFirst(t *testing.T) {
	const unknown = -1
	here := capacity.Place{Region: "eu", Zone: "a"}
	world := []capacity.Group{
		at("asia", "a", 90*msec), at("eu", "a", unknown), at("eu", "b", 2*msec), at("eu", "c", 1*msec), at("us", "a", 40*msec), at("us", "b", unknown), at("mars", "a", unknown),
	}
	tests := []struct {
		name   string
		here   capacity.Place
		policy capacity.ServicePolicy
		groups []capacity.Group
		want   [][]string
	}{
		{"WATERFALL_BY_REGION", here, capacity.ServicePolicy{}, world,
			[][]string{{"eu/a", "eu/b", "eu/c"}, {"us/a", "us/b"}, {"asia/a"}, {"mars/a"}}},
		{"SPRAY_TO_REGION", here, capacity.ServicePolicy{Algorithm: capacity.SprayToRegion}, world,
			[][]string{{"eu/a", "eu/b", "eu/c"}, {"us/a", "us/b"}, {"asia/a"}, {"mars/a"}}},
		{"WATERFALL_BY_ZONE", here, capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone}, world,
			[][]string{{"eu/a"}, {"eu/c"}, {"eu/b"}, {"us/a"}, {"us/b"}, {"asia/a"}, {"mars/a"}}},
		{"SPRAY_TO_WORLD", here, capacity.ServicePolicy{Algorithm: capacity.SprayToWorld}, world,
			[][]string{{"asia/a", "eu/a", "eu/b", "eu/c", "mars/a", "us/a", "us/b"}}},
		{"own region first though another measures nearer", here, capacity.ServicePolicy{},
			[]capacity.Group{at("us", "a", 1*msec), at("eu", "b", 3*msec)},
			[][]string{{"eu/b"}, {"us/a"}}},
		{"no distances: own zone, own region, then names", here, capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone},
			[]capacity.Group{at("asia", "a", unknown), at("us", "a", unknown), at("eu", "z", unknown), at("eu", "a", unknown)},
			[][]string{{"eu/a"}, {"eu/z"}, {"asia/a"}, {"us/a"}}},
		{"nowhere: names", capacity.Place{}, capacity.ServicePolicy{},
			[]capacity.Group{at("us", "a", unknown), at("", "", unknown), at("eu", "a", unknown)},
			[][]string{{"/"}, {"eu/a"}, {"us/a"}}},
		{"nowhere: distances", capacity.Place{}, capacity.ServicePolicy{},
			[]capacity.Group{at("asia", "a", 9*msec), at("us", "a", 1*msec), at("eu", "a", unknown)},
			[][]string{{"us/a"}, {"asia/a"}, {"eu/a"}}},
		{"zones of two regions may have one name", capacity.Place{Region: "us", Zone: "a"}, capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone},
			[]capacity.Group{at("eu", "a", unknown), at("us", "a", unknown)},
			[][]string{{"us/a"}, {"eu/a"}}},
		{"PREFERRED nearest first, before all others", here, capacity.ServicePolicy{},
			[]capacity.Group{at("eu", "a", 0), preferred(at("us", "a", 40*msec)), preferred(at("eu", "b", 2*msec)), preferred(at("asia", "a", 90*msec))},
			[][]string{{"preferred eu/b"}, {"preferred us/a"}, {"preferred asia/a"}, {"eu/a"}}},
		{"STRICT", here, capacity.ServicePolicy{Isolation: capacity.Strict}, append(world, preferred(at("us", "c", 1*msec))),
			[][]string{{"eu/a", "eu/b", "eu/c"}}},
		{"STRICT with SPRAY_TO_WORLD", here, capacity.ServicePolicy{Isolation: capacity.Strict, Algorithm: capacity.SprayToWorld}, world,
			[][]string{{"eu/a", "eu/b", "eu/c"}}},
		{"NEAREST with SPRAY_TO_WORLD", here, capacity.ServicePolicy{Isolation: capacity.Nearest, Algorithm: capacity.SprayToWorld}, world,
			[][]string{{"eu/a", "eu/b", "eu/c"}, {"us/a", "us/b"}, {"asia/a"}, {"mars/a"}}},
		{"NEAREST with PREFERRED: the region first", here, capacity.ServicePolicy{Isolation: capacity.Nearest},
			[]capacity.Group{at("eu", "a", 0), preferred(at("us", "a", 40*msec)), at("us", "b", 40*msec), preferred(at("eu", "b", 2*msec))},
			[][]string{{"preferred eu/b"}, {"eu/a"}, {"preferred us/a"}, {"us/b"}}},
		{"NEAREST with WATERFALL_BY_ZONE: the region first", here, capacity.ServicePolicy{Isolation: capacity.Nearest, Algorithm: capacity.WaterfallByZone},
			[]capacity.Group{at("eu", "a", 0), at("us", "a", 1*msec), at("eu", "b", 2*msec)},
			[][]string{{"eu/a"}, {"eu/b"}, {"us/a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				got := names(capacity.Arrange(tt.groups, tt.here, tt.policy), tt.groups)
				if !slices.EqualFunc(got, tt.want, slices.Equal) {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
				tt.groups = slices.Clone(tt.groups)
				slices.Reverse(tt.groups) // the order of the list never matters
			}
		})
	}
}

func TestAGroupWithoutTargetIsInNoTier(t *testing.T) {
	groups := []capacity.Group{at("eu", "a", 0), at("eu", "b", 0)}
	groups[0].Target = 0
	p := capacity.Arrange(groups, capacity.Place{}, capacity.ServicePolicy{})
	if got := names(p, groups); !slices.EqualFunc(got, [][]string{{"eu/b"}}, slices.Equal) || p.Overfill[0] != 0 {
		t.Errorf("got %q, overfill %v", got, p.Overfill)
	}
}
