package balance_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/balance"
)

// A key goes to the same endpoint again and again. While that one is out, only
// its own keys go elsewhere: to their second choice.
func Example() {
	policy, err := balance.Lookup("MAGLEV")
	if err != nil {
		fmt.Println(err)
		return
	}
	candidates := []balance.Candidate{ // sorted by ID
		{Endpoint: &balance.Endpoint{ID: "a", Load: new(balance.Load)}, Share: 1},
		{Endpoint: &balance.Endpoint{ID: "b", Load: new(balance.Load)}, Share: 1},
		{Endpoint: &balance.Endpoint{ID: "c", Load: new(balance.Load)}, Share: 1},
	}
	show := func(what string) {
		picker := policy(candidates)
		fmt.Print(what, ":")
		for key := range uint64(8) {
			fmt.Print(" ", picker.Pick(balance.Request{Key: key, Keyed: true}).ID)
		}
		fmt.Println()
	}
	show("everybody in")
	candidates[1].Share = 0
	show("b is out    ")
	candidates[1].Share = 1
	show("b is back   ")
	// Output:
	// everybody in: c a b c a c a c
	// b is out    : c a c c a c a c
	// b is back   : c a b c a c a c
}

// A policy that wraps another may make it anew for each list: as only shares differ,
// both pickers have the table that was laid for the first.
func ExamplePolicy() {
	canary := func(c []balance.Candidate) balance.Picker {
		c = slices.Clone(c)
		for i := range c {
			if strings.HasPrefix(c[i].ID, "canary") {
				c[i].Share /= 10 // a tenth of its keys
			}
		}
		return balance.Maglev(0)(c)
	}
	candidates := []balance.Candidate{
		{Endpoint: &balance.Endpoint{ID: "a", Weight: 100}, Share: 100},
		{Endpoint: &balance.Endpoint{ID: "b", Weight: 100}, Share: 100},
		{Endpoint: &balance.Endpoint{ID: "canary", Weight: 100}, Share: 100},
	}
	without, with := balance.Maglev(0)(candidates), canary(candidates)
	for _, f := range balance.Flows(without, with) {
		fmt.Printf("%s to %s: %.0f %%\n", f.From.ID, f.To.ID, 100*f.Part)
	}
	// Output:
	// a to a: 33 %
	// b to b: 33 %
	// canary to a: 15 %
	// canary to b: 15 %
	// canary to canary: 3 %
}

// Shares decide how often, and the turns of each are spread out.
func ExampleRoundRobin() {
	picker := balance.RoundRobin()([]balance.Candidate{
		{Endpoint: &balance.Endpoint{ID: "big", Weight: 3}, Share: 3},
		{Endpoint: &balance.Endpoint{ID: "small", Weight: 1}, Share: 1},
	})
	count := map[string]int{}
	for range 400 {
		count[picker.Pick(balance.Request{}).ID]++
	}
	fmt.Println(count)
	// Output: map[big:300 small:100]
}

// What a change of the list does to keys is known before it is made.
func ExampleMoved() {
	candidates := []balance.Candidate{
		{Endpoint: &balance.Endpoint{ID: "a", Weight: 1}, Share: 1},
		{Endpoint: &balance.Endpoint{ID: "b", Weight: 1}, Share: 1},
		{Endpoint: &balance.Endpoint{ID: "c", Weight: 1}, Share: 1},
	}
	policy := balance.Maglev(7)
	before, after := policy(candidates), policy(candidates[:2])
	moved, _ := balance.Moved(before, after)
	fmt.Printf("%.0f of 7 slots move\n", 7*moved)
	for _, f := range balance.Flows(before, after) {
		fmt.Printf("%s to %s: %.0f\n", f.From.ID, f.To.ID, 7*f.Part)
	}
	// Output:
	// 3 of 7 slots move
	// a to a: 2
	// a to b: 1
	// b to b: 2
	// c to a: 2
}

// A picker that follows another keeps its place.
func ExampleResumer() {
	candidates := []balance.Candidate{
		{Endpoint: &balance.Endpoint{ID: "a"}, Share: 1},
		{Endpoint: &balance.Endpoint{ID: "b"}, Share: 1},
	}
	policy := balance.RoundRobin()
	picker := policy(candidates)
	count := map[string]int{}
	for range 10 { // a new list before each request
		next := policy(candidates)
		next.(balance.Resumer).Resume(picker)
		picker = next
		count[picker.Pick(balance.Request{}).ID]++
	}
	fmt.Println(count)
	// Output: map[a:5 b:5]
}

// Each proxy of a fleet uses three of six endpoints, by its own name.
func ExampleSubset() {
	endpoints := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80", "10.0.0.6:80"}
	for _, proxy := range []string{"proxy-1", "proxy-2"} {
		fmt.Print(proxy)
		for _, i := range balance.Subset(balance.SubsetSeed(proxy), endpoints, 3) {
			fmt.Print(" ", endpoints[i])
		}
		fmt.Println()
	}
	// Output:
	// proxy-1 10.0.0.6:80 10.0.0.1:80 10.0.0.4:80
	// proxy-2 10.0.0.1:80 10.0.0.3:80 10.0.0.4:80
}
