package lb_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// T14 of spec.md §14, and what §4.10 says beside it.
func TestSlowStartFollowsItsFormula(t *testing.T) {
	for _, c := range []struct {
		name string
		slow lb.SlowStart
		age  time.Duration
		want float64
	}{
		{"T14", lb.SlowStart{Window: time.Minute, Aggression: 1, MinWeightPercent: 10}, 15 * time.Second, 0.25},
		{"T14 minimum", lb.SlowStart{Window: time.Minute, Aggression: 1, MinWeightPercent: 10}, 3 * time.Second, 0.10},
		{"nothing counts as a second", lb.SlowStart{Window: 5 * time.Second, Aggression: 1, MinWeightPercent: 10}, 0, 0.20},
		{"aggression 2 is a root", lb.SlowStart{Window: time.Minute, Aggression: 2, MinWeightPercent: 10}, 15 * time.Second, 0.50},
		{"aggression 0.5 is a square", lb.SlowStart{Window: time.Minute, Aggression: 0.5, MinWeightPercent: 1}, 15 * time.Second, 0.0625},
		{"over", lb.SlowStart{Window: time.Minute, Aggression: 0.5, MinWeightPercent: 1}, time.Minute, 1},
		{"all from the start", lb.SlowStart{Window: time.Minute, Aggression: 1, MinWeightPercent: 100}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.slow.Part(c.age); math.Abs(got-c.want) > 1e-12 {
				t.Errorf("part after %v is %v, want %v", c.age, got, c.want)
			}
		})
	}
}

func TestSlowStartOutOfRangeIsRefused(t *testing.T) {
	for _, c := range []struct {
		slow lb.SlowStart
		want string
	}{
		{lb.SlowStart{}, "window 0s: want at least 1s"},
		{lb.SlowStart{Window: -time.Second}, "window -1s"},
		{lb.SlowStart{Window: time.Minute, Aggression: -1}, "aggression -1: want more than 0"},
		{lb.SlowStart{Window: time.Minute, Aggression: math.NaN()}, "aggression NaN"},
		{lb.SlowStart{Window: time.Minute, Aggression: math.Inf(1)}, "aggression +Inf"},
		{lb.SlowStart{Window: time.Minute, MinWeightPercent: 101}, "minimum weight 101 %: want 1 to 100"},
		{lb.SlowStart{Window: time.Minute, MinWeightPercent: -1}, "minimum weight -1 %"},
	} {
		err := lb.Options{SlowStart: &c.slow}.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.slow, err, c.want)
		}
	}
}

// named is a list of these IDs, at addresses of the same name.
func named(ids ...string) []balance.Endpoint {
	list := make([]balance.Endpoint, len(ids))
	for i, id := range ids {
		list[i] = balance.Endpoint{ID: id, Addr: id + ":80", Weight: 1}
	}
	return list
}

// slowly is a play of a service that warms endpoints up in a minute.
func slowly(t *testing.T, o lb.Options) *play {
	t.Helper()
	o.SlowStart = &lb.SlowStart{Window: time.Minute}
	return newPlay(t, o)
}

func (p *play) set(list []balance.Endpoint) {
	p.t.Helper()
	if err := p.SetEndpoints(list); err != nil {
		p.t.Fatal(err)
	}
}

func (p *play) finds(id string, h health.Status) {
	p.t.Helper()
	if err := p.SetHealth(id, h, "so it is"); err != nil {
		p.t.Fatal(err)
	}
}

// warm is what part of its weight the endpoint has.
func (p *play) warm(id string) float64 {
	p.t.Helper()
	for _, g := range p.Status().Groups {
		for _, e := range g.Endpoints {
			if e.ID == id {
				return e.Warm
			}
		}
	}
	p.t.Fatalf("no endpoint %s", id)
	return 0
}

// isWarm checks warmth against the formula: it is counted in 1/251.
func (p *play) isWarm(id string, want float64) {
	p.t.Helper()
	within(p.t, fmt.Sprintf("after %v, warmth of %s", p.now.Sub(time.Unix(1e9, 0)), id), p.warm(id), want, 0.5/balance.Fine)
}

func within(t *testing.T, what string, got, want, by float64) {
	t.Helper()
	if !(math.Abs(got-want) <= by) {
		t.Errorf("%s: %v, want %v, give or take %v", what, got, want, by)
	}
}

// picks returns whom n requests get, without a pause, and by key if they have one.
func (p *play) picks(n int, keyed bool) []string {
	p.t.Helper()
	out := make([]string, n)
	for i := range out {
		l, _ := p.one(lb.Request{Key: uint64(i+1) * 0x9e3779b97f4a7c15, Keyed: keyed})
		out[i] = l.Endpoint.ID
		l.Done(lb.Success)
	}
	return out
}

func part(picks []string, id string) float64 {
	n := 0
	for _, got := range picks {
		if got == id {
			n++
		}
	}
	return float64(n) / float64(len(picks))
}

// TestSlowStartInEveryPolicy lets a fifth endpoint join four. It gets what the
// formula says: of all traffic, or of its own keys.
func TestSlowStartInEveryPolicy(t *testing.T) {
	for _, name := range balance.Names() {
		policy, err := balance.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			// Seeded: under the race detector 0.02 is five standard deviations of chance.
			o := lb.Options{Policy: balance.Seeded(policy, 1), Endpoints: named("a", "b", "c", "d")}
			p := slowly(t, o)
			p.set(named("a", "b", "c", "d", "e"))
			keyed := balance.MapsKeys(policy([]balance.Candidate{{Endpoint: &balance.Endpoint{ID: "x"}, Share: 1}}))
			n := fewer(20_000, 10_000)
			for _, at := range []float64{6, 15, 30, 45} {
				p.pass(time.Unix(1e9, 0).Add(time.Duration(at) * time.Second).Sub(p.now))
				so := at / 60
				p.isWarm("e", so)
				want := so / (4 + so)
				if keyed {
					want = so * p.ownPart(o, "e", n)
				}
				within(t, fmt.Sprintf("share after %v s", at), part(p.picks(n, keyed), "e"), want, 0.02)
			}
			p.pass(15 * time.Second)
			p.isWarm("e", 1)
		})
	}
}

// ownPart is what an endpoint would have of n keys if all were warm.
func (p *play) ownPart(o lb.Options, id string, n int) float64 {
	o.Endpoints = named("a", "b", "c", "d", "e")
	return part(newPlay(p.t, o).picks(n, true), id)
}

// TestJoinMovesOnlyKeysOfTheNewcomer: at every moment the newcomer has a part of the
// keys that it has in the end, no fewer than before, and nobody else's key has moved
// that would not have without slow start.
func TestJoinMovesOnlyKeysOfTheNewcomer(t *testing.T) {
	for name, policy := range map[string]balance.Policy{
		"MAGLEV": balance.Maglev(tableSize), "WEIGHTED_MAGLEV": balance.WeightedMaglev(tableSize), "RING_HASH": balance.RingHash(0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			n := fewer(5_000, 1_000)
			o := lb.Options{Policy: policy, Endpoints: named("a", "b", "c", "d")}
			p := slowly(t, o)
			o.Endpoints = named("a", "b", "c", "d", "e")
			end := newPlay(t, o).picks(n, true)
			p.set(o.Endpoints)
			last := p.picks(n, true)
			for range 60 {
				p.pass(time.Second)
				now := p.picks(n, true)
				for k := range now {
					switch {
					case end[k] != "e" && now[k] != end[k]:
						t.Fatalf("key %d of %s is with %s", k, end[k], now[k])
					case last[k] == "e" && now[k] != "e":
						t.Fatalf("key %d has left e for %s again", k, now[k])
					case now[k] != last[k] && now[k] != "e":
						t.Fatalf("key %d went from %s to %s", k, last[k], now[k])
					}
				}
				last = now
			}
			for k := range end {
				if last[k] != end[k] {
					t.Fatalf("all are warm: key %d is with %s instead of %s", k, last[k], end[k])
				}
			}
		})
	}
}

func TestWhoIsThereAtTheStartIsWarm(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b"), HealthCheck: &health.Check{Type: health.TypeTCP}})
	p.finds("a", health.Healthy)
	p.pass(5 * time.Second)
	p.finds("b", health.Healthy)
	p.isWarm("a", 1)
	p.isWarm("b", 1)

	// One group's endpoints are known, the other's are still to be discovered.
	found := func(more ...string) []lb.Group {
		return []lb.Group{{Name: "known", Endpoints: named("a")}, {Name: "found", Endpoints: named(more...)}}
	}
	p = slowly(t, lb.Options{Groups: found()})
	for _, more := range [][]string{{"b", "c"}, {"b", "c", "d"}} {
		p.pass(time.Second)
		if err := p.SetGroups(found(more...)); err != nil {
			t.Fatal(err)
		}
	}
	p.isWarm("b", 1)
	p.isWarm("c", 1)
	p.isWarm("d", 0.1)
}

func TestWithAHealthCheckWarmUpBeginsWithTheFirstSuccess(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b"), HealthCheck: &health.Check{Type: health.TypeTCP}})
	p.finds("a", health.Healthy)
	p.finds("b", health.Healthy)
	p.set(named("a", "b", "c"))
	p.pass(20 * time.Second)
	p.isWarm("c", 1) // it is not in use
	p.finds("c", health.Healthy)
	p.isWarm("c", 0.1)
	p.pass(30 * time.Second)
	p.isWarm("c", 0.5)
}

func TestRecoveryWarmsUpAndFailureEndsIt(t *testing.T) {
	for _, ill := range []health.Status{health.Unhealthy, health.Timeout} {
		p := slowly(t, lb.Options{Endpoints: named("a", "b", "c")})
		p.finds("a", ill)
		p.pass(10 * time.Second)
		p.finds("a", health.Healthy)
		p.isWarm("a", 0.1)
		p.pass(30 * time.Second)
		p.isWarm("a", 0.5)
		p.finds("a", ill)
		p.isWarm("a", 1)
		p.pass(time.Second)
		p.finds("a", health.Healthy)
		p.isWarm("a", 0.1)
		p.pass(time.Minute)
		p.isWarm("a", 1)
		within(t, "share of a", part(p.picks(300, false), "a"), 1.0/3, 0.01)
	}
}

// The operator's word says nothing of how warm an endpoint is.
func TestDrainedEndpointIsNotCold(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b")})
	for _, a := range []lb.Admin{lb.Drain, lb.Ready, lb.Down, lb.Ready} {
		if err := p.SetAdmin("a", a); err != nil {
			t.Fatal(err)
		}
	}
	p.isWarm("a", 1)
}

func TestReloadKeepsWarmUp(t *testing.T) {
	o := lb.Options{Endpoints: named("a", "b"), SlowStart: &lb.SlowStart{Window: time.Minute}}
	p := newPlay(t, o)
	p.set(named("a", "b", "c"))
	p.pass(30 * time.Second)
	p.isWarm("c", 0.5)

	o.Endpoints = named("c", "b", "a")
	o.Endpoints[0].Max = 100
	reload := func() {
		t.Helper()
		if err := p.SetOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	p.isWarm("c", 0.5)
	o.SlowStart = &lb.SlowStart{Window: 40 * time.Second}
	reload()
	p.isWarm("c", 0.75)
	o.SlowStart = nil
	reload()
	p.isWarm("c", 1)
	p.pass(time.Hour)
	o.SlowStart = &lb.SlowStart{Window: time.Minute}
	reload()
	p.isWarm("c", 1)
	p.isWarm("a", 1)
	o.Endpoints[1].Addr = "elsewhere:80"
	reload()
	p.isWarm("b", 0.1)
	p.isWarm("c", 1)
}

// Somebody has to serve: where all are cold, all are equal, and who comes later is
// as warm as he has come far compared with the first.
func TestWhereAllAreColdAllAreEqual(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b")})
	for _, id := range []string{"a", "b"} {
		p.finds(id, health.Unhealthy)
	}
	p.finds("a", health.Healthy)
	p.finds("b", health.Healthy)
	p.isWarm("a", 1)
	p.isWarm("b", 1)

	p = slowly(t, lb.Options{}) // nobody yet
	p.set(named("x"))
	p.set(named("a", "b"))
	p.pass(6 * time.Second)
	p.isWarm("a", 1)
	p.set(named("a", "b", "c"))
	p.isWarm("c", 1) // 6 seconds are as little as none: the minimum
	p.pass(6 * time.Second)
	p.isWarm("c", 1) // what it has it keeps
	p.set(named("a", "b", "c", "d"))
	p.pass(18 * time.Second)
	p.isWarm("d", 18.0/30)
	within(t, "share of d", part(p.picks(3600, false), "d"), 0.6/3.6, 0.005)
}

// A policy's table is laid once a second at most, and a step is 1/251 at least.
func TestWarmUpPublishesAStepASecond(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b")})
	list := named("a", "b")
	for i := range 20 {
		list = append(list, named(fmt.Sprintf("n%d", i))...)
	}
	p.set(list)
	version := func() uint64 { return p.Snapshot().Version }
	before := version()
	for range 600 {
		p.pass(100 * time.Millisecond)
	}
	if got := version() - before; got > 60 || got < 50 {
		t.Errorf("%d snapshots in a minute, want one for each second of growth", got)
	}
	before = version()
	p.pass(time.Minute)
	if got := version() - before; got != 0 {
		t.Errorf("%d snapshots when all are warm", got)
	}
}

// Weights that are reported, large, or none at all warm up as others do.
func TestWarmUpOfAnyWeight(t *testing.T) {
	list := named("a", "b", "c")
	for i, w := range []uint32{math.MaxUint32, math.MaxUint32 / 2, 1} {
		list[i].Weight = w
	}
	p := slowly(t, lb.Options{Policy: balance.Random(), Endpoints: list})
	p.set(append(list, balance.Endpoint{ID: "d", Addr: "d:80", Weight: math.MaxUint32}))
	p.pass(30 * time.Second)
	// Above 2²⁵ they are all the same.
	within(t, "share of d", part(p.picks(20000, false), "d"), 0.5/2.5, 0.02)

	p = slowly(t, lb.Options{Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}}})
	p.set([]balance.Endpoint{{ID: "a"}, {ID: "b"}, {ID: "c"}})
	p.pass(30 * time.Second)
	within(t, "share of c", part(p.picks(5000, false), "c"), 0.5/2.5, 0.01)
}

// With capacities each group has a policy of its own, and how much a group takes is
// not a question of warmth.
func TestWarmUpLeavesCapacityAlone(t *testing.T) {
	groups := func(a ...string) []lb.Group {
		return []lb.Group{
			{Name: "a", Endpoints: named(a...), Capacity: rate(100)},
			{Name: "b", Endpoints: named("b-1"), Capacity: rate(100)},
		}
	}
	p := slowly(t, lb.Options{Groups: groups("a-1", "a-2")})
	if err := p.SetGroups(groups("a-1", "a-2", "a-3")); err != nil {
		t.Fatal(err)
	}
	p.pass(30 * time.Second)
	got := make(map[string]int)
	for range 1000 {
		l, g := p.one(lb.Request{})
		l.Done(lb.Success)
		got[l.Endpoint.ID]++
		got[g]++
		p.pass(10 * time.Millisecond)
	}
	within(t, "share of group a", float64(got["a"])/1000, 0.5, 0.02)
	within(t, "share of a-3 in its group", float64(got["a-3"])/float64(got["a"]), 0.58/2.58, 0.03)

	// A group that is cold altogether takes all that it can.
	p.finds("b-1", health.Unhealthy)
	p.finds("b-1", health.Healthy)
	p.isWarm("b-1", 1)
	within(t, "share of group b", float64(p.stream(100, 10*time.Second, false)["b"])/1000, 0.5, 0.02)
}

// Weights that load reports give warm up like those of a file.
func TestWarmUpOfWeightsByLoad(t *testing.T) {
	p := weighing(t, lb.Options{Endpoints: named("a", "b", "c"), SlowStart: &lb.SlowStart{Window: 100 * time.Second}})
	report := func() {
		p.says("a", 0.4, 100)
		p.says("b", 0.8, 100)
		p.says("c", 0.4, 100)
	}
	p.serve(20, 15, report)
	p.finds("c", health.Unhealthy)
	p.finds("c", health.Healthy)
	p.serve(20, 50, report)
	got := p.serve(100, 1, report)
	// 2 to 1 to half of 2.
	within(t, "share of c", shareOf(got, "c"), 0.25, 0.03)
	within(t, "share of b", shareOf(got, "b"), 0.25, 0.03)
}

// Who comes back from an ejection begins anew. A request that fails ends no warm-up.
func TestReturnFromEjectionWarmsUp(t *testing.T) {
	p := slowly(t, lb.Options{Endpoints: named("a", "b", "c", "d"), Outlier: &health.Outlier{EnforcingConsecutiveErrors: 100}})
	p.ends("a", 5, lb.Failure)
	p.pass(time.Second)
	p.wantOut("after five failures", "a")
	p.isWarm("a", 1) // it is out
	for range 60 {
		if p.out() == "" {
			break
		}
		p.pass(time.Second)
	}
	p.wantOut("after the ejection", "")
	p.isWarm("a", 0.1)
	p.pass(30 * time.Second)
	p.isWarm("a", 0.5)
	p.ends("a", 1, lb.Failure)
	p.isWarm("a", 0.5)
	within(t, "share of a", part(p.picks(3500, false), "a"), 0.5/3.5, 0.005)
}
