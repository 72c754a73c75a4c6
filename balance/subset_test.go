package balance_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/spillway-lb/spillway/balance"
)

func addresses(n int) []string {
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)
	}
	return addrs
}

// subsetOf returns the addresses of a subset, sorted.
func subsetOf(seed uint64, addrs []string, size int) []string {
	var in []string
	for _, i := range balance.Subset(seed, addrs, size) {
		in = append(in, addrs[i])
	}
	slices.Sort(in)
	return in
}

// lost counts those of a that are not in b.
func lost(a, b []string) (n int) {
	for _, addr := range a {
		if !slices.Contains(b, addr) {
			n++
		}
	}
	return n
}

// T15 of spec.md §14.
func TestT15OneRemovalChangesAtMostOneMemberOfTheSubset(t *testing.T) {
	all := addresses(20)
	for seed := range uint64(200) {
		before := subsetOf(seed, all, 5)
		for i := range all {
			after := subsetOf(seed, slices.Delete(slices.Clone(all), i, i+1), 5)
			want := 0
			if slices.Contains(before, all[i]) {
				want = 1
			}
			if len(after) != 5 || lost(before, after) != want || lost(after, before) != want {
				t.Fatalf("seed %d, without %s: %v was %v", seed, all[i], after, before)
			}
		}
	}
}

func TestOneChangeAltersAtMostOneMemberOfTheSubset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addrs := rapid.SliceOfNDistinct(rapid.StringN(1, 20, -1), 1, 40, rapid.ID).Draw(t, "addresses")
		seed, size := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 45).Draw(t, "size")
		changed := slices.Clone(addrs)
		i := rapid.IntRange(0, len(addrs)-1).Draw(t, "changed")
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			changed = slices.Delete(changed, i, i+1)
		case 1:
			changed = slices.Insert(changed, i, "a new one, longer than twenty")
		case 2:
			changed[i] = "another, longer than twenty"
		}
		before, after := subsetOf(seed, addrs, size), subsetOf(seed, changed, size)
		if len(before) != min(size, len(addrs)) || len(after) != min(size, len(changed)) {
			t.Fatalf("%d and %d members, want %d of %d and of %d", len(before), len(after), size, len(addrs), len(changed))
		}
		if lost(before, after) > 1 || lost(after, before) > 1 {
			t.Fatalf("%q became %q", before, after)
		}
	})
}

func TestSubsetDoesNotDependOnTheOrder(t *testing.T) {
	addrs := addresses(50)
	want := subsetOf(7, addrs, 9)
	for range 100 {
		rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		if got := subsetOf(7, addrs, 9); !slices.Equal(got, want) {
			t.Fatalf("%v became %v", want, got)
		}
	}
}

func TestLargerSubsetsBeginWithSmallerOnes(t *testing.T) {
	addrs := addresses(30)
	all := balance.Subset(3, addrs, len(addrs))
	for size := -1; size <= 40; size++ {
		got, want := balance.Subset(3, addrs, size), all[:min(max(size, 0), len(all))]
		if !slices.Equal(got, want) {
			t.Errorf("size %d: %v, want %v", size, got, want)
		}
	}
	if got := balance.Subset(3, nil, 5); len(got) != 0 {
		t.Errorf("of nobody: %v", got)
	}
}

// The oracle is XXH64 as its authors define it with a seed; seed 0 is the one
// that the library computes in another way.
func TestSubsetIsByXXH64OfTheAddress(t *testing.T) {
	addrs := addresses(30)
	want := slices.Clone(addrs)
	slices.SortFunc(want, func(a, b string) int { return cmp.Compare(xxhash.Sum64String(a), xxhash.Sum64String(b)) })
	for i, at := range balance.Subset(0, addrs, len(addrs)) {
		if addrs[at] != want[i] {
			t.Fatalf("rank %d: %s, want %s", i, addrs[at], want[i])
		}
	}
}

// Many balancers with a subset each give everybody about as many of them.
func TestSubsetsOfManyBalancersAreEven(t *testing.T) {
	const balancers, size = 4000, 5
	addrs, got := addresses(20), make([]float64, 20)
	for i := range balancers {
		for _, at := range balance.Subset(balance.SubsetSeed(fmt.Sprintf("proxy-%d", i)), addrs, size) {
			got[at]++
		}
	}
	due := float64(balancers) * size / 20
	sigma := math.Sqrt(due * (1 - size/20.0))
	for i, n := range got {
		if math.Abs(n-due) > 5*sigma {
			t.Errorf("%s is in the subsets of %v balancers, want %v ± %.0f", addrs[i], n, due, 5*sigma)
		}
	}
}
