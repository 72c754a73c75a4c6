package capacity_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-lb/spillway/capacity"
)

// A world is a service's groups, where the proxy is, its policy and the demand.
type world struct {
	groups []capacity.Group
	here   capacity.Place
	policy capacity.ServicePolicy
	demand float64
}

func (w world) plan() capacity.Plan { return capacity.Arrange(w.groups, w.here, w.policy) }

func (w world) fill() []float64 { return w.plan().Fill(w.groups, w.demand) }

func anyPlace() *rapid.Generator[capacity.Place] {
	return rapid.Custom(func(t *rapid.T) capacity.Place {
		return capacity.Place{
			Region: rapid.SampledFrom([]string{"", "eu", "us", "asia"}).Draw(t, "region"),
			Zone:   rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "zone"),
		}
	})
}

func anyGroup() *rapid.Generator[capacity.Group] {
	return rapid.Custom(func(t *rapid.T) capacity.Group {
		g := capacity.Group{
			Place:     anyPlace().Draw(t, "place"),
			Preferred: rapid.IntRange(0, 5).Draw(t, "preferred") == 0,
			Target:    rapid.SampledFrom([]float64{0, .5, 1, 10, 80, 100, 1e6}).Draw(t, "target"),
			Unlimited: rapid.IntRange(0, 7).Draw(t, "unlimited") == 0,
			Drained:   rapid.IntRange(0, 3).Draw(t, "drained") == 0,
			Members:   rapid.IntRange(0, 10).Draw(t, "members"),
			RTT:       time.Duration(rapid.IntRange(-1, 5).Draw(t, "rtt")) * time.Millisecond,
		}
		g.Healthy = rapid.IntRange(0, g.Members).Draw(t, "healthy")
		// In panic those that are ill serve too.
		g.Serving = g.Healthy > 0 || g.Members > 0 && rapid.IntRange(0, 3).Draw(t, "panic") == 0
		return g
	})
}

func anyWorld() *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		w := world{
			groups: rapid.SliceOfN(anyGroup(), 0, 8).Draw(t, "groups"),
			here:   anyPlace().Draw(t, "here"),
			policy: capacity.ServicePolicy{
				Algorithm:               capacity.Algorithm(rapid.IntRange(0, 3).Draw(t, "algorithm")),
				Isolation:               capacity.Isolation(rapid.IntRange(0, 2).Draw(t, "isolation")),
				FailoverHealthThreshold: rapid.IntRange(0, 99).Draw(t, "threshold"),
			},
			demand: rapid.SampledFrom([]float64{0, .1, 1, 20, 100, 300, 1e7}).Draw(t, "demand"),
		}
		for i := range w.groups {
			w.groups[i].Name = "g" + strconv.Itoa(i)
		}
		return w
	})
}

// may reports whether a group may take traffic at all.
func (w world) may(i int) bool {
	g := w.groups[i]
	return g.Serving && g.Target > 0 && (w.policy.Isolation != capacity.Strict || g.Region == w.here.Region)
}

func sum(parts []float64) float64 {
	s := 0.0
	for _, p := range parts {
		s += p
	}
	return s
}

func TestPropertyNothingIsLostWhileSomebodyServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		want := 0.0
		for i := range w.groups {
			if w.may(i) {
				want = 1
			}
		}
		p, entry := w.plan(), 0.0
		for _, tier := range p.Tiers {
			entry += tier.Entry
			if s := sum(tier.Shares); tier.Entry > 0 && !near(s, 1) || s != 0 && !near(s, 1) {
				t.Fatalf("the shares of %+v sum to %v", tier, s)
			}
			if tier.Local != nil && !near(sum(tier.Local), 1) {
				t.Fatalf("the local shares of %+v sum to %v", tier, sum(tier.Local))
			}
		}
		if got := sum(w.fill()); !near(got, want) || !near(entry, want) || !near(sum(p.Overfill), want) {
			t.Fatalf("parts sum to %v, entries to %v, overfill to %v; want %v\n%+v", got, entry, sum(p.Overfill), want, p)
		}
	})
}

func TestPropertyNobodyGetsWhatHeMayNotHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		others := slices.ContainsFunc(w.groups, func(g capacity.Group) bool {
			return !g.Drained && w.may(slices.IndexFunc(w.groups, func(h capacity.Group) bool { return h.Name == g.Name }))
		})
		p, parts := w.plan(), w.fill()
		for i, g := range w.groups {
			if parts[i] < 0 || !w.may(i) && (parts[i] != 0 || p.Overfill[i] != 0) {
				t.Fatalf("group %d gets %v, overfill %v\n%+v", i, parts[i], p.Overfill[i], p)
			}
			if g.Drained && others && parts[i] != 0 {
				t.Fatalf("group %d is drained and gets %v\n%+v", i, parts[i], p)
			}
		}
	})
}

func TestPropertyEveryGroupWithATargetHasOnePlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		places := make([]int, len(w.groups))
		for _, tier := range w.plan().Tiers {
			for _, g := range tier.Groups {
				places[g]++
			}
		}
		for i, g := range w.groups {
			in := g.Target > 0 && (w.policy.Isolation != capacity.Strict || g.Region == w.here.Region)
			if in && places[i] != 1 || !in && places[i] != 0 {
				t.Fatalf("group %d is in %d tiers", i, places[i])
			}
		}
	})
}

// Nobody gets too much while another of the same scope has room.
func TestPropertyNobodyOverflowsWhileAnotherHasRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		w.demand = max(w.demand, .1)
		p, parts := w.plan(), w.fill()
		takes := func(i int) bool { // a share in some tier
			for _, tier := range p.Tiers {
				if at := slices.Index(tier.Groups, i); at >= 0 {
					return tier.Shares[at] > 0
				}
			}
			return false
		}
		for i, g := range w.groups {
			if g.Unlimited || parts[i]*w.demand <= g.Target*(1+1e-9) {
				continue
			}
			for j, h := range w.groups {
				if p.Isolated && h.Region != g.Region || !takes(j) {
					continue
				}
				if h.Unlimited || parts[j]*w.demand < h.Target*(1-1e-9) {
					t.Fatalf("group %d has %v of %v, and %d only %v of %v\n%+v", i, parts[i]*w.demand, g.Target, j, parts[j]*w.demand, h.Target, p)
				}
			}
		}
	})
}

// Raising a target never lowers the group's own share. The local bias is left out:
// by it, a group far away that makes its region emptier sends traffic home.
func TestPropertyRaisingATargetNeverLowersItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		if len(w.groups) == 0 {
			return
		}
		if w.policy.Algorithm == capacity.WaterfallByRegion {
			w.here.Zone = ""
		}
		i := rapid.IntRange(0, len(w.groups)-1).Draw(t, "which")
		if w.groups[i].Target == 0 {
			return
		}
		before := w.fill()[i]
		w.groups[i].Target *= rapid.SampledFrom([]float64{1.01, 1.5, 10, 1000}).Draw(t, "factor")
		if after := w.fill()[i]; after < before-1e-9 {
			t.Fatalf("group %d got %v, and with a target of %v gets %v", i, before, w.groups[i].Target, after)
		}
	})
}

func TestPropertyOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld().Draw(t, "world")
		before := make(map[string]float64)
		for i, part := range w.fill() {
			before[w.groups[i].Name] = part
		}
		w.groups = rapid.Permutation(w.groups).Draw(t, "order")
		for i, part := range w.fill() {
			if name := w.groups[i].Name; part != before[name] {
				t.Fatalf("%s got %v, and in another order gets %v", name, before[name], part)
			}
		}
	})
}

// Auto-drain never drains half of the groups at one look, drains nobody well, and
// lets everybody back who is well for a minute.
func TestPropertyAutoDrain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a capacity.AutoDrain
		now := time.Unix(1000, 0)
		n := rapid.IntRange(1, 8).Draw(t, "groups")
		was := make([]bool, n)
		for range rapid.IntRange(1, 20).Draw(t, "looks") {
			groups := make([]capacity.GroupHealth, n)
			for i := range groups {
				m := rapid.IntRange(0, 8).Draw(t, "members")
				groups[i] = capacity.GroupHealth{Name: strconv.Itoa(i), Members: m, Healthy: rapid.IntRange(0, m).Draw(t, "healthy"), Usable: rapid.Bool().Draw(t, "usable")}
			}
			is, again := a.Observe(now, groups)
			fresh := 0
			for i, g := range groups {
				if is[i] && !was[i] {
					fresh++
					if 4*g.Healthy >= g.Members || !g.Usable {
						t.Fatalf("%+v was drained", g)
					}
				}
			}
			if 2*fresh >= n && fresh > 0 {
				t.Fatalf("%d of %d drained at once", fresh, n)
			}
			if again < 0 || again > time.Minute {
				t.Fatalf("look again in %v", again)
			}
			was = is
			now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
		}
		well := make([]capacity.GroupHealth, n)
		for i := range well {
			well[i] = capacity.GroupHealth{Name: strconv.Itoa(i), Members: 4, Healthy: 4, Usable: true}
		}
		a.Observe(now, well)
		if is, _ := a.Observe(now.Add(time.Minute), well); slices.Contains(is, true) {
			t.Fatalf("drained after a minute of health: %v", is)
		}
	})
}
