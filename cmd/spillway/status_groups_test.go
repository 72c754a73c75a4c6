package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spillway-lb/spillway/internal/admin"
)

func TestStatusShowsWhoIsFullAndWhereItGoes(t *testing.T) {
	group := func(name string, share float64, c admin.GroupCapacity) admin.GroupStatus {
		return admin.GroupStatus{Name: name, Share: share, ShareActual: share, GroupCapacity: &c,
			Endpoints: []admin.EndpointStatus{{ID: name + "-1", Health: "HEALTHY", Admin: "READY", Weight: 1}}}
	}
	s := admin.ServiceStatus{
		Name: "web", Policy: "ROUND_ROBIN", Affinity: "NONE",
		Groups: []admin.GroupStatus{
			group("off", 0, admin.GroupCapacity{BalancingMode: "RATE", Tier: -1, Drained: true}),
			group("us-a", 0.2, admin.GroupCapacity{BalancingMode: "RATE", Tier: 1, Capacity: 1000, Usage: 50.25, Fullness: 0.05025, CapacityScaler: 1}),
			group("eu-a", 0.8, admin.GroupCapacity{BalancingMode: "RATE", Tier: 0, Capacity: 200, Usage: 201, Fullness: 1.5, CapacityScaler: 0.5}),
		},
		Spills: []admin.Spill{{From: "eu-a", To: "us-a", Count: 123}},
	}
	var out strings.Builder
	if err := printStatus(&out, []admin.ServiceStatus{s}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"web: ROUND_ROBIN",
		"GROUP MODE TIER FULL USAGE OF SHARE ACTUAL",
		"eu-a RATE 0 [##########> 150.0 % 201 200 req/s 80.0 % 80.0 % scaled to 0.5",
		"us-a RATE 1 [..........] 5.0 % 50.2 1000 req/s 20.0 % 20.0 %",
		"off RATE - [..........] 0.0 % 0 0 req/s 0.0 % 0.0 % drained",
		"spilled from eu-a to us-a: 123",
		"GROUP ENDPOINT HEALTH ACTIVE REQUESTS FAILURES EXPECTED ACTUAL",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("line %d has %d columns", i, n)
		}
	}
}
