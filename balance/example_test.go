package balance_test

import (
	"fmt"

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
