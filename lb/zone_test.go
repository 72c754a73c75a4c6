package lb

import "testing"

func TestZonalAffinityDecidesWhoIsEligible(t *testing.T) {
	disabled := ZonalAffinity{}
	stay := ZonalAffinity{Spillover: StayWithinZone}
	spill := func(ratio float64) ZonalAffinity {
		return ZonalAffinity{Spillover: SpillCrossZone, Ratio: ratio}
	}
	for _, tc := range []struct {
		members string
		zonal   ZonalAffinity
		r       rules
		want    string
	}{
		{"Ha Ha H H", disabled, rules{}, "y y y y"},
		{"Ha Ua H H", stay, rules{}, "y n n n"},
		{"Ua Ta H H", stay, rules{panic: PanicOpen}, "y y n n"}, // all of the zone, ill as they are
		{"Ua Ta H H", stay, rules{}, "n n n n"},
		{"Ua Ta H H", stay, rules{failover: &Failover{}}, "y y n n"},
		{"Ua Ta H H", stay, rules{failover: &Failover{DropIfUnhealthy: true}}, "n n n n"},
		{"Ha Ua H H", spill(0.5), rules{}, "y n n n"},
		{"Ha Ua Ua H H", spill(0.5), rules{}, "y n n y y"},
		{"Ha Ua Ua Ua H", spill(0), rules{}, "y n n n n"},
		{"Ua Ua H U", spill(0), rules{}, "n n y n"}, // none is healthy: not even a ratio of 0 keeps traffic
		{"Ha Ha H", spill(1), rules{}, "y y n"},
		{"Ha Ua H", spill(1), rules{}, "y n y"},
		{"Ha Had Uax H", spill(1), rules{}, "y n n n"}, // who is drained does not count
		// Nobody of the zone: as if disabled.
		{"H H U", stay, rules{}, "y y n"},
		{"H Had", stay, rules{}, "y n"},
		{"H H U", spill(0), rules{}, "y y n"},
		// Panic is about those whom the zone leaves.
		{"Ha Ua Ua H H", spill(0), rules{panic: PanicOpen, threshold: 50}, "y y y n n"},
		{"Ha Ua Ua H H", stay, rules{threshold: 50}, "n n n n n"},
		{"?a ?a H H", stay, rules{}, "y y n n"},
		{"*a *a H H", spill(0.5), rules{}, "y y n n"},
		// Failover comes first: the zone narrows the pool that is active.
		{"Ha H Hab Hb", stay, rules{}, "y n n n"},
		{"Ua H Hab Hb", spill(0.5), rules{}, "n y n n"},
		{"Ua U Hab Hb", stay, rules{}, "n n y n"},
		{"Ua U Hb Hb", stay, rules{}, "n n y y"},
		{"Ua H Hab Hb", stay, rules{panic: PanicOpen}, "y n n n"},
	} {
		tc.r.zonal = tc.zonal
		if got := verdict(t, tc.members, tc.r); got != tc.want {
			t.Errorf("%q, %+v: got %q, want %q", tc.members, tc.r, got, tc.want)
		}
	}
}

func TestZonesOfTwoRegionsMayHaveOneName(t *testing.T) {
	for _, tc := range []struct {
		z    ZonalAffinity
		g    Group
		want bool
	}{
		{ZonalAffinity{Zone: "a"}, Group{Zone: "a"}, true},
		{ZonalAffinity{Zone: "a"}, Group{Zone: "b"}, false},
		{ZonalAffinity{Zone: "a"}, Group{Zone: "a", Region: "eu"}, true},
		{ZonalAffinity{Zone: "a", Region: "eu"}, Group{Zone: "a"}, true},
		{ZonalAffinity{Zone: "a", Region: "eu"}, Group{Zone: "a", Region: "us"}, false},
		{ZonalAffinity{Zone: "a", Region: "eu"}, Group{Zone: "a", Region: "eu"}, true},
		{ZonalAffinity{}, Group{}, false},
	} {
		if got := tc.z.holds(&tc.g); got != tc.want {
			t.Errorf("proxy %+v, group %+v: got %v", tc.z, tc.g, got)
		}
	}
}
