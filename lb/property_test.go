package lb_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// Whatever befalls a service with capacities, and in whatever order its file lists
// groups and endpoints:
//
//	expected shares sum to 1 while somebody serves, and every pick is counted once
//	nobody without a share is picked, nor anybody in a group without capacity while
//	another has some
//	nobody is refused while somebody can serve
//	targets of connections are not exceeded while there is room elsewhere
//	two balancers whose files differ in order only choose the same groups
//	raising a target does not lower the group's own expected share; but with the
//	local bias one in another zone that makes its region emptier sends traffic home
func TestPropertiesOfCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"":        w.check,
			"picks":   w.picks,
			"release": w.release,
			"time":    w.pass,
			"health":  w.changeHealth,
			"admin":   w.changeAdmin,
			"scaler":  w.scale,
			"reload":  w.reload,
			"raise":   w.raise,
		})
	})
}

// A world is one service twice, in files of another order, and its traffic.
type world struct {
	options lb.Options // of the first
	twins   [2]*lb.Balancer
	now     time.Time
	keyed   bool
	taken   uint64
	held    [][2]lb.Lease
	status  [2]lb.Status // as it was when nothing had been done since
}

var healthStates = []health.Status{health.Healthy, health.Healthy, health.Healthy, health.Unhealthy, health.Timeout, health.Unknown}

func newWorld(t *rapid.T) *world {
	w := &world{now: time.Unix(1e9, 0), keyed: rapid.Bool().Draw(t, "keyed")}
	policies := []balance.Policy{balance.RoundRobin(), balance.LeastRequest(0, 1), balance.Random()}
	if w.keyed {
		policies = []balance.Policy{balance.Maglev(1009), balance.RingHash(0, 0)}
	}
	w.options = lb.Options{
		Policy:      policies[rapid.IntRange(0, len(policies)-1).Draw(t, "policy")],
		HealthCheck: &health.Check{Type: health.TypeTCP}, // never made: there is no Run
		Panic:       lb.PanicMode(rapid.IntRange(0, 1).Draw(t, "panic")),
		Service: capacity.ServicePolicy{
			Algorithm: capacity.Algorithm(rapid.IntRange(0, 3).Draw(t, "algorithm")),
			Isolation: capacity.Isolation(rapid.IntRange(0, 2).Draw(t, "isolation")),
			AutoDrain: rapid.Bool().Draw(t, "auto-drain"),
		},
		Here: capacity.Place{Region: "r0", Zone: "z0"},
		Now:  func() time.Time { return w.now },
		Seed: rapid.Uint64Min(1).Draw(t, "seed"),
	}
	if rapid.IntRange(0, 2).Draw(t, "slow start") == 0 {
		w.options.SlowStart = &lb.SlowStart{Window: 10 * time.Second}
	}
	if rapid.IntRange(0, 3).Draw(t, "subsetting") == 0 {
		w.options.Subsetting = &lb.Subsetting{Size: rapid.IntRange(1, 3).Draw(t, "subset size"), Seed: 1}
	}
	mode := rapid.SampledFrom([]capacity.Mode{capacity.Rate, capacity.Connection, capacity.InFlight}).Draw(t, "mode")
	for i := range rapid.IntRange(1, 5).Draw(t, "groups") {
		g := lb.Group{
			Name:     fmt.Sprintf("g%d", i),
			Region:   fmt.Sprintf("r%d", rapid.IntRange(0, 1).Draw(t, "region")),
			Zone:     fmt.Sprintf("z%d", rapid.IntRange(0, 2).Draw(t, "zone")),
			Capacity: target(t, mode),
		}
		g.Capacity.Preferred = rapid.IntRange(0, 4).Draw(t, "preferred") == 0
		for j := range rapid.IntRange(1, 4).Draw(t, "endpoints") {
			g.Endpoints = append(g.Endpoints, balance.Endpoint{
				ID: fmt.Sprintf("%s-%d", g.Name, j), Weight: rapid.Uint32Range(1, 3).Draw(t, "weight"),
			})
		}
		w.options.Groups = append(w.options.Groups, g)
	}
	for i := range w.twins {
		b, err := lb.New(w.file(t, i))
		if err != nil {
			t.Fatal(err)
		}
		w.twins[i] = b
	}
	return w
}

func target(t *rapid.T, mode capacity.Mode) capacity.Backend {
	n := rapid.IntRange(1, 60).Draw(t, "target")
	switch mode {
	case capacity.Rate:
		return capacity.Backend{Mode: mode, MaxRate: float64(n)}
	case capacity.Connection:
		return capacity.Backend{Mode: mode, MaxConnections: int64(n)}
	default:
		return capacity.Backend{Mode: mode, MaxInFlight: int64(n)}
	}
}

// file is what a twin reads: the second one's is in another order.
func (w *world) file(t *rapid.T, twin int) lb.Options {
	o := w.options
	if twin == 0 {
		return o
	}
	o.Groups = rapid.Permutation(o.Groups).Draw(t, "order of groups")
	for i := range o.Groups {
		o.Groups[i].Endpoints = rapid.Permutation(o.Groups[i].Endpoints).Draw(t, "order of endpoints")
	}
	return o
}

// both does something to both, which must agree on whether it can be done.
func (w *world) both(t *rapid.T, what string, do func(b *lb.Balancer) error) {
	if a, b := do(w.twins[0]), do(w.twins[1]); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("%s: one says %v, the other %v", what, a, b)
	}
}

func (w *world) group(t *rapid.T) *lb.Group {
	return &w.options.Groups[rapid.IntRange(0, len(w.options.Groups)-1).Draw(t, "group")]
}

func (w *world) endpoint(t *rapid.T) string {
	e := w.group(t).Endpoints
	return e[rapid.IntRange(0, len(e)-1).Draw(t, "endpoint")].ID
}

func (w *world) changeHealth(t *rapid.T) {
	id, to := w.endpoint(t), rapid.SampledFrom(healthStates).Draw(t, "health")
	w.both(t, "SetHealth", func(b *lb.Balancer) error { return b.SetHealth(id, to, "drawn") })
}

func (w *world) changeAdmin(t *rapid.T) {
	id, to := w.endpoint(t), rapid.SampledFrom([]lb.Admin{lb.Ready, lb.Ready, lb.Drain, lb.Down}).Draw(t, "admin")
	w.both(t, "SetAdmin", func(b *lb.Balancer) error { return b.SetAdmin(id, to) })
}

func (w *world) scale(t *rapid.T) {
	name, to := w.group(t).Name, rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 1}).Draw(t, "scaler")
	w.both(t, "SetScaler", func(b *lb.Balancer) error { return b.SetScaler(name, to) })
}

func (w *world) reload(t *rapid.T) {
	g := w.group(t)
	preferred := g.Capacity.Preferred
	g.Capacity = target(t, g.Capacity.Mode)
	g.Capacity.Preferred = preferred
	for i, b := range w.twins {
		if err := b.SetOptions(w.file(t, i)); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) pass(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "milliseconds")) * time.Millisecond)
	for _, b := range w.twins {
		b.Sweep()
	}
}

func (w *world) release(t *rapid.T) {
	for range rapid.IntRange(0, len(w.held)).Draw(t, "how many") {
		i := rapid.IntRange(0, len(w.held)-1).Draw(t, "which")
		for _, l := range w.held[i] {
			l.Done(lb.Outcome(i % 3))
		}
		w.held = slices.Delete(w.held, i, i+1)
	}
}

func (w *world) picks(t *rapid.T) {
	gap := time.Duration(rapid.IntRange(0, 100).Draw(t, "gap in milliseconds")) * time.Millisecond
	hold, key := rapid.Bool().Draw(t, "hold"), rapid.Uint64().Draw(t, "first key")
	for range rapid.IntRange(1, 40).Draw(t, "how many") {
		w.pick(t, lb.Request{Key: key, Keyed: w.keyed}, hold)
		key = key*6364136223846793005 + 1442695040888963407
		w.now = w.now.Add(gap)
	}
}

func (w *world) pick(t *rapid.T, r lb.Request, hold bool) {
	var leases [2]lb.Lease
	var errs [2]error
	room := w.room()
	for i, b := range w.twins {
		leases[i], errs[i] = b.Pick(context.Background(), r)
	}
	if fmt.Sprint(errs[0]) != fmt.Sprint(errs[1]) {
		t.Fatalf("one twin says %v, the other %v", errs[0], errs[1])
	}
	if errs[0] != nil {
		if slices.ContainsFunc(w.status[0].Groups, w.canServe) || !errors.Is(errs[0], lb.ErrNoEndpoint) {
			t.Fatalf("refused with %v; groups are %+v", errs[0], w.status[0].Groups)
		}
		return
	}
	w.taken++
	var names [2]string
	for i, st := range w.status {
		g, e := find(st, leases[i].Endpoint.ID)
		names[i] = g.Name
		if e.Standing != lb.InUse || !w.mayServe(st, g) {
			t.Fatalf("%s was picked, which stands %v in a group of capacity %v", e.ID, e.Standing, g.Capacity)
		}
		if slot := room[g.Name]; g.Mode != capacity.Rate && slot <= 0 && !r.Keyed && w.roomElsewhere(room, g) {
			t.Fatalf("%s was full, and there was room elsewhere: %v", g.Name, room)
		}
	}
	if names[0] != names[1] || r.Keyed && leases[0].Endpoint.ID != leases[1].Endpoint.ID {
		t.Fatalf("twins picked %s and %s", leases[0].Endpoint.ID, leases[1].Endpoint.ID)
	}
	if hold {
		w.held = append(w.held, leases)
		return
	}
	for _, l := range leases {
		l.Done(lb.Success)
	}
}

// canServe reports whether a group has somebody for traffic, if only in need: one
// that was drained automatically may be the last that is left.
func (w *world) canServe(g lb.GroupStatus) bool {
	if w.options.Service.Isolation == capacity.Strict && g.Region != w.options.Here.Region {
		return false
	}
	return g.Scaler > 0 && slices.ContainsFunc(g.Endpoints, func(e lb.EndpointStatus) bool { return e.Standing == lb.InUse })
}

// mayServe reports whether traffic may go to g: it has capacity, or nobody who can
// serve has.
func (w *world) mayServe(st lb.Status, g *lb.GroupStatus) bool {
	return w.canServe(*g) && (g.Capacity > 0 || !slices.ContainsFunc(st.Groups, func(o lb.GroupStatus) bool {
		return o.Capacity > 0 && w.canServe(o)
	}))
}

// room is how many more connections or requests each group takes.
func (w *world) room() map[string]int {
	room := make(map[string]int)
	for i := range w.status[0].Groups {
		g := &w.status[0].Groups[i]
		used := 0
		for _, l := range w.held {
			if h, _ := find(w.status[0], l[0].Endpoint.ID); h.Name == g.Name {
				used++
			}
		}
		room[g.Name] = max(int(g.Capacity), 1) - used
	}
	return room
}

// roomElsewhere reports whether a group other than g could have taken what g was
// too full for. Isolation may be a reason for g all the same, and so is that nobody
// elsewhere is well.
func (w *world) roomElsewhere(room map[string]int, g *lb.GroupStatus) bool {
	return slices.ContainsFunc(w.status[0].Groups, func(o lb.GroupStatus) bool {
		return o.Capacity > 0 && room[o.Name] > 0 && w.canServe(o) && slices.ContainsFunc(o.Endpoints, isWell) && (w.options.Service.Isolation == capacity.NotIsolated || o.Region == g.Region)
	})
}

func isWell(e lb.EndpointStatus) bool { return e.Health == health.Healthy && e.Standing == lb.InUse }

func find(st lb.Status, id string) (*lb.GroupStatus, lb.EndpointStatus) {
	for i := range st.Groups {
		for _, e := range st.Groups[i].Endpoints {
			if e.ID == id {
				return &st.Groups[i], e
			}
		}
	}
	panic("no endpoint " + id)
}

// check is what holds at any time.
func (w *world) check(t *rapid.T) {
	for i, b := range w.twins {
		w.status[i] = b.Status()
	}
	serving := slices.ContainsFunc(w.status[0].Groups, w.canServe)
	for _, st := range w.status {
		share, byEndpoint, active, requests := 0.0, 0.0, int64(0), uint64(0)
		for _, g := range st.Groups {
			share += g.Share
			var held int64
			for _, e := range g.Endpoints {
				byEndpoint += e.ShareExpected
				held += e.Active
				requests += e.Requests
				if e.ShareExpected > 0 && (e.Standing != lb.InUse || !w.mayServe(st, &g)) {
					t.Fatalf("%s is to get %v, and stands %v in a group of capacity %v", e.ID, e.ShareExpected, e.Standing, g.Capacity)
				}
			}
			active += held
			if g.Mode != capacity.Rate && g.Usage != float64(held) {
				t.Fatalf("%s has %v in use, its endpoints %d", g.Name, g.Usage, held)
			}
		}
		if active != int64(len(w.held)) || requests != w.taken {
			t.Fatalf("%d active and %d picks, want %d and %d", active, requests, len(w.held), w.taken)
		}
		want := 0.0
		if serving {
			want = 1
		}
		if math.Abs(share-want) > 1e-9 || math.Abs(byEndpoint-want) > 1e-9 {
			t.Fatalf("shares of groups sum to %v, of endpoints to %v, want %v: %+v", share, byEndpoint, want, st.Groups)
		}
	}
	for _, g := range w.status[0].Groups {
		for _, e := range g.Endpoints {
			h, f := find(w.status[1], e.ID)
			if h.Capacity != g.Capacity || h.Tier != g.Tier || h.Drained != g.Drained || math.Abs(h.Share-g.Share) > 1e-9 ||
				f.Standing != e.Standing || math.Abs(f.ShareExpected-e.ShareExpected) > 1e-9 {
				t.Fatalf("%s: in one order %+v of %+v, in another %+v of %+v", e.ID, e, g, f, h)
			}
		}
	}
}

// raise gives one group more, for a moment.
func (w *world) raise(t *rapid.T) {
	b := w.twins[0]
	i := rapid.IntRange(0, len(w.options.Groups)-1).Draw(t, "group")
	by := rapid.IntRange(1, 200).Draw(t, "raised by")
	before := b.Status().Groups[i]
	groups := slices.Clone(w.options.Groups)
	c := &groups[i].Capacity
	switch c.Mode {
	case capacity.Rate:
		c.MaxRate += float64(by)
	case capacity.Connection:
		c.MaxConnections += int64(by)
	default:
		c.MaxInFlight += int64(by)
	}
	if err := b.SetGroups(groups); err != nil {
		t.Fatal(err)
	}
	after := b.Status().Groups[i]
	biased := w.options.Service.Algorithm == capacity.WaterfallByRegion
	home := w.options.Here == capacity.Place{Region: before.Region, Zone: before.Zone}
	if (!biased || home) && after.Share < before.Share-1e-9 {
		t.Fatalf("raised by %d, %s is to get %v, before %v", by, before.Name, after.Share, before.Share)
	}
	if err := b.SetGroups(w.options.Groups); err != nil {
		t.Fatal(err)
	}
}
