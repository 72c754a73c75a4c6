package lb_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/lb"
)

// A log is when each group got its requests.
type log map[string][]time.Time

// last is how many a group got within d until now. Time of equal moments counts.
func (l log) last(group string, now time.Time, d time.Duration) float64 {
	at := l[group]
	i, _ := slices.BinarySearchFunc(at, now.Add(-d), func(a, from time.Time) int {
		if a.After(from) {
			return 1
		}
		return -1
	})
	return float64(len(at) - i)
}

// A day of demand that stops now and then and comes all at once afterwards, as it does
// where machines are busy. Whatever a stall has made of the last second: nobody goes to
// the third tier while the first two have room, and nobody is above his target while
// another is below.
func TestAFarTierBeginsWhenAllNearerOnesAreFull(t *testing.T) {
	const (
		length = 24.0                    // seconds
		window = 1007 * time.Millisecond // a Meter's second is up to a slot longer
	)
	targets := map[string]float64{"a": 200, "b": 200, "c": 400}
	for _, algorithm := range []capacity.Algorithm{capacity.WaterfallByZone, capacity.WaterfallByRegion} {
		for _, stall := range []time.Duration{0, 25 * time.Millisecond, 200 * time.Millisecond} {
			t.Run(fmt.Sprintf("%v, stalls of %v", algorithm, stall), func(t *testing.T) {
				p := newPlay(t, lb.Options{
					Service: capacity.ServicePolicy{Algorithm: algorithm},
					Here:    capacity.Place{Region: "near", Zone: "z1"},
					Zones:   []capacity.Zone{{Place: capacity.Place{Region: "near", Zone: "z2"}, RTT: time.Millisecond}, {Place: capacity.Place{Region: "far", Zone: "z3"}, RTT: 30 * time.Millisecond}},
					Groups:  []lb.Group{group("a", "near", "z1", 2, rate(200)), group("b", "near", "z2", 2, rate(200)), group("c", "far", "z3", 2, rate(400))},
				})
				r, got, due, far, sent, began := rand.New(rand.NewPCG(1, 1)), log{}, 0.0, 0, 0, p.now
				for p.now.Sub(began).Seconds() < length {
					dt := time.Millisecond
					if stall > 0 && r.IntN(30) == 0 {
						dt = stall
					}
					p.pass(dt)
					day := p.now.Sub(began).Seconds() / length
					for due += 1600 * min(day, 1-day) * dt.Seconds(); due >= 1; due-- {
						a, b := got.last("a", p.now, window)/targets["a"], got.last("b", p.now, window)/targets["b"]
						l, g := p.one(lb.Request{})
						l.Done(lb.Success)
						got[g] = append(got[g], p.now)
						sent++
						if g == "c" {
							far++
						}
						if g == "c" && algorithm == capacity.WaterfallByZone && min(a, b) < 0.98 {
							t.Fatalf("%v: c got one when a was used to %.3f, b to %.3f", p.now.Sub(began), a, b)
						}
						c := got.last("c", p.now, window) / targets["c"]
						if used := got.last(g, p.now, time.Second) / targets[g]; used > 1.02 && min(a, b, c) < 0.98 {
							t.Fatalf("%v: %s was used to %.3f; a to %.3f, b to %.3f, c to %.3f", p.now.Sub(began), g, used, a, b, c)
						}
					}
				}
				if far == 0 || far == sent {
					t.Errorf("c got %d of %d", far, sent)
				}
			})
		}
	}
}

// What the explanation says of the groups that were asked twice is what came of it.
func TestWhoIsAskedAgainIsExplainedAsFull(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 1, rate(200)), group("b", "far", "z2", 1, rate(200)), group("c", "farther", "z3", 1, rate(1e6))},
	})
	seen := make(map[string]int)
	for range 8000 {
		x := p.Explain(lb.Request{})
		l, g := p.one(lb.Request{})
		l.Done(lb.Success)
		if x.Group != g {
			t.Fatalf("explained as %s, went to %s", x.Group, g)
		}
		if seen[g]++; g == "c" && x.Tiers[0].Groups[0].Dropped != lb.DroppedGroupFull {
			t.Fatalf("went to c because a is %s", x.Tiers[0].Groups[0].Dropped)
		}
		if d := x.Tiers[0].Groups[0].Dropped; g == "b" {
			seen[d]++
		}
		p.pass(time.Second / 800)
	}
	if seen["c"] == 0 || seen[lb.DroppedGroupCrowded] == 0 {
		t.Errorf("the test has not seen what it is about: %v", seen)
	}
}
