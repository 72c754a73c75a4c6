package main

import (
	"math/rand/v2"
	"slices"

	"github.com/spillway-lb/spillway/balance"
)

// LeastFailing is a policy that this library does not have: of two endpoints
// drawn by share, take the one that fails less. While nobody fails, shares are
// exact; one that always fails gets the square of its share.
//
// It judges by all that an endpoint has done since it was first seen.
func LeastFailing(c []balance.Candidate) balance.Picker {
	p := new(leastFailing)
	for _, c := range c {
		if c.Share > 0 {
			p.sum += uint64(c.Share)
			p.upTo = append(p.upTo, p.sum)
			p.endpoints = append(p.endpoints, c.Endpoint)
		}
	}
	return p
}

// leastFailing draws an endpoint by drawing a number below the sum of shares.
type leastFailing struct {
	endpoints []*balance.Endpoint
	upTo      []uint64 // the endpoint's share and those before it, added up
	sum       uint64
}

func (p *leastFailing) Pick(balance.Request) *balance.Endpoint {
	a, b := p.draw(), p.draw()
	if failing(b) < failing(a) {
		return b
	}
	return a
}

func (p *leastFailing) draw() *balance.Endpoint {
	i, _ := slices.BinarySearch(p.upTo, rand.Uint64N(p.sum)+1)
	return p.endpoints[i]
}

// failing is the part of an endpoint's leases that ended with a failure.
func failing(e *balance.Endpoint) float64 {
	return float64(e.Load.Failed()) / float64(max(1, e.Load.Started()))
}
