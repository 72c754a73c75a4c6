package balance

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"weak"

	"pgregory.net/rapid"
)

// laidPolicies are the policies that have layouts, each as it is and as if nobody had
// ever laid anything.
var laidPolicies = []struct {
	name           string
	policy, afresh Policy
}{
	{"MAGLEV", Maglev(251), func(c []Candidate) Picker {
		return newMaglevTable(c, 251, ruleOfMaglev, new(shelf[uint16]))
	}},
	{"WEIGHTED_MAGLEV", WeightedMaglev(251), func(c []Candidate) Picker {
		return newMaglevTable(c, 251, ruleOfWeightedMaglev, new(shelf[uint16]))
	}},
	{"RING_HASH", RingHash(128, 512), func(c []Candidate) Picker {
		return newRing(c, 128, 512, new(shelf[uint16]))
	}},
}

// layoutOf returns what a picker shares, and its resolved table.
func layoutOf(p Picker) (*layout[uint16], []uint16) {
	switch p := p.(type) {
	case *maglevTable[uint16]:
		return p.layout, p.resolved
	case *ring[uint16]:
		return p.layout, p.resolved
	}
	return nil, nil
}

// TestSharedLayoutGivesThePicksOfOneLaidAfresh whatever comes, goes, warms up or
// changes its weight; and while only shares change nothing is laid at all.
func TestSharedLayoutGivesThePicksOfOneLaidAfresh(t *testing.T) {
	for _, p := range laidPolicies {
		t.Run(p.name, rapid.MakeCheck(func(t *rapid.T) {
			var last Picker
			var laid []Candidate
			list := drawCandidates(t, "c")
			for range rapid.IntRange(2, 12).Draw(t, "steps") {
				picker, want := p.policy(list), p.afresh(list)
				comparePickers(t, picker, want, len(list))
				l, _ := layoutOf(picker)
				if was, _ := layoutOf(last); last != nil && sameList(laid, list) && l != was {
					t.Fatal("only shares have changed, and the table was laid anew")
				}
				last, laid = picker, list
				list = drawChange(t, list)
			}
		}))
	}
}

// comparePickers compares whole tables, and the alternatives of some keys.
func comparePickers(t *rapid.T, got, want Picker, n int) {
	t.Helper()
	gotLayout, gotResolved := layoutOf(got)
	wantLayout, wantResolved := layoutOf(want)
	if gotLayout == wantLayout {
		t.Fatal("this compares a table with itself")
	}
	if !slices.Equal(gotLayout.owners, wantLayout.owners) || !slices.Equal(gotResolved, wantResolved) {
		t.Fatal("the tables differ")
	}
	for i := range uint64(8) {
		for try := range n + 2 {
			r := Request{Key: mix(i), Keyed: true, Try: try}
			if got, want := got.Pick(r), want.Pick(r); got != want {
				t.Fatalf("key %d, try %d: %v in place of %v", i, try, got, want)
			}
		}
	}
}

func sameList(a, b []Candidate) bool {
	return slices.EqualFunc(a, b, func(a, b Candidate) bool { return a.ID == b.ID && a.Weight == b.Weight })
}

func drawCandidates(t *rapid.T, name string) []Candidate {
	c := make([]Candidate, rapid.IntRange(1, 20).Draw(t, "endpoints"))
	for i := range c {
		c[i] = Candidate{Endpoint: &Endpoint{ID: fmt.Sprintf("%s%02d", name, i), Weight: drawWeight(t)}}
	}
	drawShares(t, c)
	return c
}

func drawWeight(t *rapid.T) uint32 {
	return rapid.SampledFrom([]uint32{0, 1, 1, 1, 2, 7, Fine, 2 * Fine, 1 << 31}).Draw(t, "weight")
}

// drawShares changes shares; one at least is above 0.
func drawShares(t *rapid.T, c []Candidate) {
	for i := range c {
		c[i].Share = uint32(uint64(c[i].Weight) * rapid.Uint64Range(0, 4).Draw(t, "quarters") / 4)
	}
	if i := rapid.IntRange(0, len(c)-1).Draw(t, "in"); !somePickable(c) {
		c[i].Share = max(1, c[i].Weight)
		if c[i].Weight == 0 && slices.ContainsFunc(c, func(c Candidate) bool { return c.Weight > 0 }) {
			e := *c[i].Endpoint
			e.Weight = 1
			c[i].Endpoint = &e
		}
	}
}

// drawChange returns another list. Endpoints that stay are other values, as after a
// reload.
func drawChange(t *rapid.T, c []Candidate) []Candidate {
	c = slices.Clone(c)
	for i := range c {
		e := *c[i].Endpoint
		e.ID = strings.Clone(e.ID)
		c[i].Endpoint = &e
	}
	i := rapid.IntRange(0, len(c)-1).Draw(t, "whom")
	switch rapid.SampledFrom([]string{"shares", "shares", "shares", "weight", "join", "leave", "all others"}).Draw(t, "change") {
	case "weight":
		c[i].Endpoint.Weight = drawWeight(t)
	case "join":
		c = slices.Insert(c, i, Candidate{Endpoint: &Endpoint{ID: c[i].ID + "!", Weight: drawWeight(t)}})
		slices.SortFunc(c, func(a, b Candidate) int { return strings.Compare(a.ID, b.ID) })
		c = slices.CompactFunc(c, func(a, b Candidate) bool { return a.ID == b.ID })
	case "leave":
		if len(c) > 1 {
			c = slices.Delete(c, i, i+1)
		}
	case "all others":
		c = drawCandidates(t, "d")
	}
	drawShares(t, c)
	return c
}

// TestPoliciesThatWrapShareLayouts without knowing of it: even one that makes the
// policy that it wraps anew for each list, and changes that on the way.
func TestPoliciesThatWrapShareLayouts(t *testing.T) {
	calls := 0
	halved := func(c []Candidate) Picker {
		calls++
		c = slices.Clone(c)
		c[0].Share = (c[0].Share + 1) / 2
		return Maglev(1009)(c)
	}
	c := sharesOf(3, 4, 5)
	plain := Maglev(1009)(c)
	for _, share := range []uint32{4, 3, 0} {
		c = slices.Clone(c)
		c[1].Share = share
		picker := halved(c)
		a, resolved := layoutOf(picker)
		b, _ := layoutOf(plain)
		if a != b {
			t.Error("the table was laid anew")
		}
		if &resolved[0] == &a.owners[0] {
			t.Error("the policy that wraps was passed by")
		}
	}
	if calls != 3 {
		t.Errorf("the policy that wraps was asked %d times, want 3", calls)
	}
	runtime.KeepAlive(plain)
}

// TestLayoutsOfDifferentListsAreDifferent, also where all that is compared first is
// the same.
func TestLayoutsOfDifferentListsAreDifferent(t *testing.T) {
	lists := [][]Candidate{sharesOf(1, 2), sharesOf(2, 1), sharesOf(1, 2, 0), sharesOf(1, 2, 1), sharesOf(1, 2)}
	lists[4][1].Endpoint.ID += "!"
	var wants []*layout[uint16]
	for _, c := range lists {
		for _, rule := range []string{"MAGLEV", "RING_HASH"} {
			for _, size := range []int{0, 7} {
				wants = append(wants, newLayout[uint16](rule, size, c, layWeights(c)))
			}
		}
	}
	prints := make(map[uint64]bool)
	for i, want := range wants {
		prints[want.print()] = true
		for j, other := range wants {
			var s shelf[uint16]
			s.places.Store(s.with(other, want.print(), nil)) // as if prints were the same
			if l, _ := s.find(want, want.print()); (l != nil) != (i == j) {
				t.Errorf("layouts %d and %d: taken for one another: %v", i, j, l != nil)
			}
		}
	}
	if len(prints) != len(wants) {
		t.Errorf("%d layouts have %d prints", len(wants), len(prints))
	}
	runtime.KeepAlive(wants)
}

// TestLayoutsGoWithTheirLastPicker: a shelf keeps nothing alive, and grows no longer
// than what is alive. What a picker holds of those before it is the layout alone.
func TestLayoutsGoWithTheirLastPicker(t *testing.T) {
	var s shelf[uint16]
	build := func(port int, share uint32) *maglevTable[uint16] {
		c := sharesOf(3, 3, 3)
		c[2].Endpoint.ID, c[2].Share = "z:"+strconv.Itoa(port), share
		return newMaglevTable(c, 251, ruleOfMaglev, &s).(*maglevTable[uint16])
	}
	newest := build(0, 3)
	first := weak.Make(newest.layout)
	var old []weak.Pointer[maglevTable[uint16]]
	var endpoints []weak.Pointer[Endpoint]
	for share := range uint32(3) {
		old = append(old, weak.Make(newest))
		endpoints = append(endpoints, weak.Make(newest.endpoints[2]))
		next := build(0, share)
		runtime.KeepAlive(newest) // until it is replaced
		newest = next
	}
	runtime.GC()
	for i := range old {
		if old[i].Value() != nil || endpoints[i].Value() != nil {
			t.Errorf("picker %d, or an endpoint of it, is alive after %d more", i, len(old)-i)
		}
	}
	if first.Value() != newest.layout {
		t.Error("the last picker has another layout than the first")
	}
	for port := range 100 {
		build(port, 3)
	}
	runtime.GC()
	if first.Value() != nil {
		t.Error("a layout that nobody uses is alive")
	}
	newest = build(-1, 3)
	if n := len(*s.places.Load()); n > 2 {
		t.Errorf("the shelf has %d places for one or two layouts", n)
	}
	runtime.KeepAlive(newest)
}

// TestWhoLayAtOneTimeHaveOneLayout each for its list.
func TestWhoLayAtOneTimeHaveOneLayout(t *testing.T) {
	var s shelf[uint16]
	pickers := make([]*maglevTable[uint16], 32)
	var wg sync.WaitGroup
	for i := range pickers {
		wg.Go(func() {
			c := sharesOf(1, 2, 1+uint32(i%4))
			c[i%3].Share = 0
			pickers[i] = newMaglevTable(c, 251, ruleOfMaglev, &s).(*maglevTable[uint16])
		})
	}
	wg.Wait()
	for i, p := range pickers {
		if p.layout != pickers[i%4].layout {
			t.Errorf("builders %d and %d, of one list, have two layouts", i%4, i)
		}
		if i < 4 && p.layout == pickers[(i+1)%4].layout {
			t.Errorf("builders %d and %d, of two lists, have one layout", i, (i+1)%4)
		}
	}
	if n := len(*s.places.Load()); n != 4 {
		t.Errorf("the shelf has %d places for 4 layouts", n)
	}
}
