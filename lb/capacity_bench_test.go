package lb_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// BenchmarkPickDoneGroups is one lease against the number of groups, spread over
// three regions, and of endpoints in each: without capacity, by rate and by
// connections, and when the first region is full.
func BenchmarkPickDoneGroups(b *testing.B) {
	targets := map[string]capacity.Backend{
		"none":       {},
		"RATE":       {Mode: capacity.Rate, MaxRate: 1e9},
		"CONNECTION": {Mode: capacity.Connection, MaxConnections: 1e6},
		"IN_FLIGHT":  {Mode: capacity.InFlight, MaxInFlight: 1e6},
		"spilling":   {Mode: capacity.Rate, MaxRate: 100},
	}
	for _, name := range []string{"none", "RATE", "CONNECTION", "spilling"} {
		for _, groups := range []int{1, 8, 64} {
			for _, size := range []int{10, 1000} {
				for _, keyed := range []bool{false, true} {
					b.Run(fmt.Sprintf("%s/groups=%d/endpoints=%d/keyed=%v", name, groups, size, keyed), func(b *testing.B) {
						o := lb.Options{Groups: regions(groups, size, targets[name]), Here: capacity.Place{Region: "r0", Zone: "z0"}}
						if keyed {
							o.Policy = balance.Maglev(0)
						}
						if name == "spilling" { // only the first region
							for i := range o.Groups {
								if o.Groups[i].Region != "r0" {
									o.Groups[i].Capacity = targets["RATE"]
								}
							}
						}
						benchmarkPick(b, o, keyed)
					})
				}
			}
		}
	}
}

// regions are groups in three regions, each in a zone of its own.
func regions(groups, size int, c capacity.Backend) []lb.Group {
	out := make([]lb.Group, groups)
	for g := range out {
		out[g] = lb.Group{Name: fmt.Sprintf("g%d", g), Region: fmt.Sprintf("r%d", g%3), Zone: fmt.Sprintf("z%d", g), Capacity: c}
		for e := range size {
			out[g].Endpoints = append(out[g].Endpoints, balance.Endpoint{ID: fmt.Sprintf("g%d-e%d", g, e)})
		}
	}
	return out
}

func benchmarkPick(b *testing.B, o lb.Options, keyed bool) {
	l, err := lb.New(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	key := uint64(1)
	for b.Loop() {
		key += 0x9e3779b97f4a7c15
		lease, err := l.Pick(ctx, lb.Request{Key: key, Keyed: keyed})
		if err != nil {
			b.Fatal(err)
		}
		lease.Done(lb.Success)
	}
}
