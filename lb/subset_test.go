package lb_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// farm is n endpoints of one group.
func farm(name string, n int) lb.Group {
	g := lb.Group{Name: name}
	for i := range n {
		g.Endpoints = append(g.Endpoints, balance.Endpoint{Addr: fmt.Sprintf("%s-%02d:80", name, i)})
	}
	return g
}

// inUse returns the IDs of those that take new traffic, group by group, and fails
// if any that does not stands otherwise than want.
func inUse(t *testing.T, b *lb.Balancer, others lb.Standing) map[string][]string {
	t.Helper()
	in := make(map[string][]string)
	for _, g := range b.Status().Groups {
		for _, e := range g.Endpoints {
			switch {
			case e.Standing == lb.InUse:
				in[g.Name] = append(in[g.Name], e.ID)
			case e.Standing != others:
				t.Errorf("%s stands %v, want %v", e.ID, e.Standing, others)
			}
		}
	}
	return in
}

func TestOnlyTheSubsetIsPicked(t *testing.T) {
	b := newBalancer(t, lb.Options{
		Groups:     []lb.Group{farm("a", 20), farm("b", 3), farm("c", 4)},
		Subsetting: &lb.Subsetting{Size: 4, Seed: 1},
	})
	in := inUse(t, b, lb.NotInSubset)
	if len(in["a"]) != 4 || len(in["b"]) != 3 || len(in["c"]) != 4 {
		t.Errorf("in use are %v, want 4 of a, and b and c whole", in)
	}
	all := slices.Concat(in["a"], in["b"], in["c"])
	for range 200 {
		if id := pick(t, b, lb.Request{}).Endpoint.ID; !slices.Contains(all, id) {
			t.Errorf("picked %s, which is not one of %v", id, all)
		}
	}
}

func TestSubsetSizeIs20UnlessSaid(t *testing.T) {
	b := newBalancer(t, lb.Options{Groups: []lb.Group{farm("a", 100)}, Subsetting: &lb.Subsetting{}})
	if in := inUse(t, b, lb.NotInSubset); len(in["a"]) != 20 || lb.DefaultSubsetSize != 20 {
		t.Errorf("%d are in use, want 20", len(in["a"]))
	}
	if _, err := lb.New(lb.Options{Subsetting: &lb.Subsetting{Size: -1}}); err == nil || !strings.Contains(err.Error(), "subset size -1") {
		t.Errorf("a size of -1: %v", err)
	}
}

// A reload of the same endpoints, however they are written, and one endpoint more
// or less: nobody changes places who need not.
func TestSubsetOutlivesReloads(t *testing.T) {
	groups := func() []lb.Group { return []lb.Group{farm("a", 20), farm("b", 20)} }
	o := lb.Options{Groups: groups(), Subsetting: &lb.Subsetting{Size: 5, Seed: 99}}
	b := newBalancer(t, o)
	want := inUse(t, b, lb.NotInSubset)
	for range 20 {
		o.Groups = groups()
		slices.Reverse(o.Groups)
		for _, g := range o.Groups {
			e := g.Endpoints
			rand.Shuffle(len(e), func(i, j int) { e[i], e[j] = e[j], e[i] })
		}
		if err := b.SetOptions(o); err != nil {
			t.Fatal(err)
		}
		if got := inUse(t, b, lb.NotInSubset); !slices.Equal(got["a"], want["a"]) || !slices.Equal(got["b"], want["b"]) {
			t.Fatalf("%v became %v", want, got)
		}
	}
	for i := range 20 {
		o.Groups = groups()
		o.Groups[0].Endpoints = slices.Delete(o.Groups[0].Endpoints, i, i+1)
		if err := b.SetGroups(o.Groups); err != nil {
			t.Fatal(err)
		}
		got := inUse(t, b, lb.NotInSubset)
		kept := 0
		for _, id := range got["a"] {
			if slices.Contains(want["a"], id) {
				kept++
			}
		}
		if kept < 4 || len(got["a"]) != 5 || !slices.Equal(got["b"], want["b"]) {
			t.Errorf("without endpoint %d %v became %v", i, want, got)
		}
	}
}

func TestSubsetGrowsWhileFewerThanHalfOfItCanServe(t *testing.T) {
	b := newBalancer(t, lb.Options{Groups: []lb.Group{farm("a", 12)}, Subsetting: &lb.Subsetting{Size: 4, Seed: 5}})
	home := inUse(t, b, lb.NotInSubset)["a"]
	// who is in use, while these of home are drained
	during := func(drained int) []string {
		t.Helper()
		for i, id := range home {
			admin := lb.Ready
			if i < drained {
				admin = lb.Drain
			}
			if err := b.SetAdmin(id, admin); err != nil {
				t.Fatal(err)
			}
		}
		var in []string
		for _, e := range b.Status().Groups[0].Endpoints {
			if e.Standing == lb.InUse {
				in = append(in, e.ID)
			}
		}
		return in
	}
	for drained, want := range []int{4, 3, 2, 2, 2} {
		in := during(drained)
		if len(in) != want {
			t.Errorf("with %d of %v drained, in use are %v, want %d", drained, home, in, want)
		}
		for _, id := range home[drained:] {
			if !slices.Contains(in, id) {
				t.Errorf("with %d drained %s is not in use any more", drained, id)
			}
		}
	}
	if in := during(0); !slices.Equal(in, home) {
		t.Errorf("when all are back, in use are %v, want %v", in, home)
	}
}

func TestNobodyLeftInTheSubsetIsTheWholeGroup(t *testing.T) {
	g := farm("a", 10)
	b := newBalancer(t, lb.Options{Groups: []lb.Group{g}, Subsetting: &lb.Subsetting{Size: 1, Seed: 5}})
	seen := map[string]bool{}
	for range g.Endpoints {
		id := pick(t, b, lb.Request{}).Endpoint.ID
		if seen[id] {
			t.Fatalf("%s is drained, and was picked", id)
		}
		seen[id] = true
		must(t, b.SetAdmin(id, lb.Drain))
	}
	if _, err := b.Pick(t.Context(), lb.Request{}); err == nil {
		t.Error("everybody is drained, and somebody was picked")
	}
}
