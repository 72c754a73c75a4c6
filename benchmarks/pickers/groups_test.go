package pickers

import (
	"context"
	"fmt"
	"testing"

	spillway "github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// backends are how much the groups of a service can take, by name of the benchmark.
var backends = []struct {
	name     string
	capacity capacity.Backend
}{
	{"none", capacity.Backend{}},
	{"RATE", capacity.Backend{Mode: capacity.Rate, MaxRate: 1e9}},
	{"CONNECTION", capacity.Backend{Mode: capacity.Connection, MaxConnections: 1e6}},
	{"spilling", capacity.Backend{Mode: capacity.Rate, MaxRate: 100}},
}

// BenchmarkGroups is one lease of a balancer, from Pick to Done, against the number
// of groups, which are spread over three regions, and of the endpoints of each.
func BenchmarkGroups(b *testing.B) {
	for _, backend := range backends {
		for _, groups := range []int{1, 8, 64} {
			for _, size := range []int{10, 1000} {
				for _, keyed := range []bool{false, true} {
					b.Run(fmt.Sprintf("%s/groups=%d/endpoints=%d/keyed=%v", backend.name, groups, size, keyed), func(b *testing.B) {
						benchmarkGroups(b, backend.capacity, groups, size, keyed)
					})
				}
			}
		}
	}
}

// benchmarkGroups gives a target that is soon exceeded to the first region only.
func benchmarkGroups(b *testing.B, c capacity.Backend, groups, size int, keyed bool) {
	o := lb.Options{Here: capacity.Place{Region: "r0", Zone: "z0"}}
	if keyed {
		o.Policy = spillway.Maglev(0)
	}
	for g := range groups {
		group := lb.Group{Name: fmt.Sprintf("g%d", g), Region: fmt.Sprintf("r%d", g%3), Zone: fmt.Sprintf("z%d", g), Capacity: c}
		if g%3 != 0 && c.MaxRate > 0 {
			group.Capacity.MaxRate = 1e9
		}
		for e := range size {
			group.Endpoints = append(group.Endpoints, spillway.Endpoint{ID: fmt.Sprintf("g%d-e%d", g, e)})
		}
		o.Groups = append(o.Groups, group)
	}
	l, err := lb.New(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	on(b, func(b *testing.B, next func() bool) {
		for key := uint64(keyStep); next(); key += keyStep {
			lease, err := l.Pick(ctx, lb.Request{Key: key, Keyed: keyed})
			if err != nil {
				b.Fatal(err)
			}
			lease.Done(lb.Success)
		}
	})
}
