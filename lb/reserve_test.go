package lb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// newLevels returns a balancer of the groups g, with a, b, then reserves c, then d, and
// other, with o.
func newLevels(t *testing.T, opt lb.Options) *lb.Balancer {
	t.Helper()
	list := func(ids string) (all []balance.Endpoint) {
		for _, id := range strings.Fields(ids) {
			all = append(all, balance.Endpoint{ID: id, Addr: id + ":1", Weight: 1})
		}
		return all
	}
	per := capacity.Backend{Mode: capacity.Rate, MaxRatePerEndpoint: 10}
	if !opt.Service.AutoDrain { // stands for "with capacities" here
		per = capacity.Backend{}
	}
	opt.Groups = []lb.Group{
		{Name: "g", Endpoints: list("a b"), Reserves: [][]balance.Endpoint{list("c"), list("d")}, Capacity: per},
		{Name: "other", Endpoints: list("o"), Capacity: per},
	}
	b, err := lb.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func used(b *lb.Balancer) string {
	var ids []string
	for _, c := range b.Snapshot().Candidates {
		if c.Share > 0 {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, " ")
}

func TestReservesAreUsedWhileNobodyBeforeThemIsWell(t *testing.T) {
	b := newLevels(t, lb.Options{})
	for _, step := range []struct {
		id   string
		word lb.Admin
		want string
	}{
		{"a", lb.Ready, "a b o"},
		{"a", lb.Drain, "b o"},
		{"b", lb.Down, "c o"},
		{"c", lb.Drain, "d o"},
		{"d", lb.Drain, "o"},
		{"c", lb.Ready, "c o"},
		{"b", lb.Ready, "b o"},
		{"a", lb.Ready, "a b o"},
	} {
		if err := b.SetAdmin(step.id, step.word); err != nil {
			t.Fatal(err)
		}
		if got := used(b); got != step.want {
			t.Errorf("%s %v: %s are used, want %s", step.id, step.word, got, step.want)
		}
	}
}

func TestReservesTakeOverFromTheIll(t *testing.T) {
	b := newLevels(t, lb.Options{HealthCheck: &health.Check{Type: "TCP"}, Panic: lb.PanicOpen})
	set := func(want string, status health.Status, ids ...string) {
		t.Helper()
		for _, id := range ids {
			if err := b.SetHealth(id, status, "test"); err != nil {
				t.Fatal(err)
			}
		}
		if got := used(b); got != want {
			t.Errorf("%v %v: %s are used, want %s", ids, status, got, want)
		}
	}
	set("a b o", health.Healthy, "a", "b", "c", "d", "o")
	set("b o", health.Unhealthy, "a")
	set("c o", health.Unhealthy, "b")
	set("d o", health.Timeout, "c")
	set("o", health.Unhealthy, "d") // nobody in the group is well
	set("a b o", health.Unhealthy, "o")
	set("c", health.Healthy, "c")
	for _, e := range b.Status().Groups[0].Endpoints {
		if want := map[string]lb.Standing{"c": lb.InUse}[e.ID]; e.ID == "c" && e.Standing != want || e.ID != "c" && e.Standing != lb.StandsBy {
			t.Errorf("%s stands %v", e.ID, e.Standing)
		}
	}
}

// Reserves that wait are no capacity: nobody would take what is sent there.
func TestAGroupHasTheCapacityOfThoseThatAreUsed(t *testing.T) {
	b := newLevels(t, lb.Options{Service: capacity.ServicePolicy{AutoDrain: true}, HealthCheck: &health.Check{Type: "TCP"}})
	capacities := func() string {
		var out []string
		for _, g := range b.Status().Groups {
			out = append(out, fmt.Sprintf("%s %v", g.Name, g.Capacity))
		}
		return strings.Join(out, ", ")
	}
	for _, id := range []string{"a", "b", "c", "d", "o"} {
		if err := b.SetHealth(id, health.Healthy, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := capacities(); got != "g 20, other 10" {
		t.Errorf("all well: %s", got)
	}
	for _, id := range []string{"a", "b"} {
		if err := b.SetHealth(id, health.Unhealthy, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if got := capacities(); got != "g 10, other 10" || used(b) != "c o" {
		t.Errorf("with the reserve: %s; %s are used", got, used(b))
	}
}

func TestReservesComeLastInASubset(t *testing.T) {
	for seed := range uint64(20) {
		b := newLevels(t, lb.Options{Subsetting: &lb.Subsetting{Size: 2, Seed: seed}})
		if got := used(b); got != "a b o" {
			t.Errorf("seed %d: %s", seed, got)
		}
	}
}

func TestReservesAreEndpointsLikeOthers(t *testing.T) {
	e := []balance.Endpoint{{ID: "a", Addr: "a:1"}}
	if _, err := lb.New(lb.Options{Groups: []lb.Group{{Endpoints: e, Reserves: [][]balance.Endpoint{e}}}}); err == nil {
		t.Error("one ID on two levels is accepted")
	}
	r := [][]balance.Endpoint{{{Addr: "b:1"}}}
	b, err := lb.New(lb.Options{Groups: []lb.Group{{Endpoints: e, Reserves: r}}})
	if err != nil {
		t.Fatal(err)
	}
	if r[0][0].ID != "" || r[0][0].Weight != 0 {
		t.Errorf("the caller's endpoint is now %+v", r[0][0])
	}
	if err := b.SetAdmin("a", lb.Down); err != nil {
		t.Fatal(err)
	}
	if l, err := b.Pick(t.Context(), lb.Request{}); err != nil || l.Endpoint.ID != "b:1" {
		t.Errorf("%+v, %v", l.Endpoint, err)
	} else {
		l.Done(lb.Success)
	}
}
