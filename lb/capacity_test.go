package lb_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// A play is a balancer in a time of its own.
type play struct {
	*lb.Balancer
	t    *testing.T
	now  time.Time
	tick time.Time // of the last sweep
	keys uint64
}

func newPlay(t *testing.T, o lb.Options) *play {
	t.Helper()
	p := &play{t: t, now: time.Unix(1e9, 0), keys: 1}
	p.tick = p.now
	o.Now = func() time.Time { return p.now }
	o.Seed = 1
	b, err := lb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Balancer = b
	return p
}

// pass lets time pass, and sweeps each second.
func (p *play) pass(d time.Duration) {
	p.now = p.now.Add(d)
	for p.now.Sub(p.tick) >= time.Second {
		p.tick = p.tick.Add(time.Second)
		p.Sweep()
	}
}

// one takes a lease, and returns it with the name of its group: the endpoint's ID
// up to the dash.
func (p *play) one(r lb.Request) (lb.Lease, string) {
	l, err := p.Pick(context.Background(), r)
	if err != nil {
		p.t.Helper() // in time for Fatalf; of millions of picks it would be a tenth of the work
		p.t.Fatalf("after %v: %v", p.now.Sub(time.Unix(1e9, 0)), err)
	}
	var g string
	for i := range l.Endpoint.ID {
		if l.Endpoint.ID[i] == '-' {
			g = l.Endpoint.ID[:i]
		}
	}
	return l, g
}

// stream sends paced requests and returns how many each group got.
func (p *play) stream(rate float64, d time.Duration, keyed bool) map[string]int {
	p.t.Helper()
	got := make(map[string]int)
	gap := time.Duration(float64(time.Second) / rate)
	for end := p.now.Add(d); p.now.Before(end); p.pass(gap) {
		p.keys = p.keys*6364136223846793005 + 1442695040888963407
		l, g := p.one(lb.Request{Key: p.keys, Keyed: keyed})
		l.Done(lb.Success)
		got[g]++
	}
	return got
}

func group(name, region, zone string, n int, c capacity.Backend) lb.Group {
	g := lb.Group{Name: name, Region: region, Zone: zone, Capacity: c}
	for i := range n {
		g.Endpoints = append(g.Endpoints, balance.Endpoint{ID: fmt.Sprintf("%s-%d", name, i)})
	}
	return g
}

func rate(r float64) capacity.Backend { return capacity.Backend{Mode: capacity.Rate, MaxRate: r} }

func connections(n int64) capacity.Backend {
	return capacity.Backend{Mode: capacity.Connection, MaxConnections: n}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s: %v, want %v within %v %%", what, got, want, 100*within)
	}
}

// T3: groups 80/20, demand 200, are overfilled in proportion.
func TestT3FullGroupsAreOverfilledInProportion(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			p := newPlay(t, lb.Options{
				Policy: policyFor(keyed),
				Groups: []lb.Group{group("a", "r", "z1", 2, rate(80)), group("b", "r", "z2", 2, rate(20))},
			})
			got := p.stream(200, 20*time.Second, keyed)
			within := 0.03
			if keyed {
				within = 0.1 // keys are random
			}
			near(t, "a", float64(got["a"]), 160*20, within)
			near(t, "b", float64(got["b"]), 40*20, within)
		})
	}
}

func policyFor(keyed bool) balance.Policy {
	if keyed {
		return balance.Maglev(tableSize)
	}
	return balance.RoundRobin()
}

// tableSize is of tables of keys in tests that lay many: the default, and a smaller
// one where to lay one takes long.
var tableSize = fewer(0, 4099)

// fewer is n, or less of it under the race detector.
func fewer(n, underRace int) int {
	if testkit.UnderRace {
		return underRace
	}
	return n
}

func TestTheFirstRequestThatIsTooManySpills(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, rate(100)), group("b", "far", "z2", 2, rate(100))},
	})
	for i := range 150 {
		l, g := p.one(lb.Request{})
		l.Done(lb.Success)
		if want := map[bool]string{true: "a", false: "b"}[i < 100]; g != want {
			t.Fatalf("request %d went to %s, want %s", i+1, g, want)
		}
	}
	st := p.Status()
	if len(st.Spills) != 1 || st.Spills[0] != (lb.Spill{From: "a", To: "b", Count: 50}) {
		t.Errorf("spills are %+v", st.Spills)
	}
}

// Also what goes on when all are full has left the tier where it began.
func TestWhatOverfillsAnotherTierHasSpilled(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, rate(10)), group("b", "far", "z2", 2, rate(30))},
	})
	far := 0
	for range 200 {
		l, g := p.one(lb.Request{})
		l.Done(lb.Success)
		if g == "b" {
			far++
		}
	}
	if st := p.Status(); len(st.Spills) != 1 || st.Spills[0] != (lb.Spill{From: "a", To: "b", Count: uint64(far)}) {
		t.Errorf("%d of 200 went to b, spills are %+v", far, st.Spills)
	}
}

func TestConnectionTargetsAreExact(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, connections(10)), group("b", "far", "z2", 2, connections(1000))},
	})
	var held []lb.Lease
	for i := range 30 {
		l, g := p.one(lb.Request{})
		held = append(held, l)
		if (g == "a") != (i < 10) {
			t.Fatalf("connection %d went to %s", i+1, g)
		}
	}
	held[3].Done(lb.Success)
	if _, g := p.one(lb.Request{}); g != "a" {
		t.Error("a place that came free was not used")
	}
	if _, g := p.one(lb.Request{}); g != "b" {
		t.Error("there was one place too many")
	}
	if st := p.Status().Groups[0]; st.Usage != 10 || st.Fullness != 1 {
		t.Errorf("usage %v, fullness %v", st.Usage, st.Fullness)
	}
}

// The demand of a day: from nothing to one and a half of everything and back.
func TestTheWaterfall(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			p := newPlay(t, lb.Options{
				Policy:  policyFor(keyed),
				Service: capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone},
				Here:    capacity.Place{Region: "near", Zone: "z1"},
				Zones:   []capacity.Zone{{Place: capacity.Place{Region: "near", Zone: "z2"}, RTT: time.Millisecond}, {Place: capacity.Place{Region: "far", Zone: "z3"}, RTT: 30 * time.Millisecond}},
				Groups: []lb.Group{
					group("a", "near", "z1", 3, rate(100)), group("b", "near", "z2", 3, rate(100)), group("c", "far", "z3", 3, rate(200)),
				},
			})
			for _, step := range []struct {
				demand  float64
				a, b, c float64
			}{
				{50, 50, 0, 0}, {98, 98, 0, 0}, {120, 100, 20, 0}, {198, 100, 98, 0}, {300, 100, 100, 100}, {600, 150, 150, 300},
				{300, 100, 100, 100}, {120, 100, 20, 0}, {50, 50, 0, 0},
			} {
				p.stream(step.demand, 4*time.Second, keyed)
				got := p.stream(step.demand, 10*time.Second, keyed)
				within := 0.03
				if keyed {
					within = 0.06 // keys are random, and what is not a group's own fills it to 95 %
				}
				for g, want := range map[string]float64{"a": step.a, "b": step.b, "c": step.c} {
					if f := float64(got[g]) / 10; math.Abs(f-want) > within*step.demand {
						t.Errorf("demand %v: %s got %v a second, want %v", step.demand, g, f, want)
					}
				}
			}
		})
	}
}

func TestWhoIsHealthySomewhereServesEverything(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, rate(10)), group("b", "far", "z2", 1, rate(10))},
	})
	for _, id := range []string{"a-0", "a-1"} {
		if err := p.SetHealth(id, health.Unhealthy, "down"); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.stream(100, 3*time.Second, false); got["b"] != 300 {
		t.Errorf("got %v", got)
	}
}

func TestAScalerOfTheOperatorCountsAtOnce(t *testing.T) {
	o := lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, rate(100)), group("b", "far", "z2", 1, rate(1000))},
	}
	p := newPlay(t, o)
	p.stream(90, 2*time.Second, false)
	if err := p.SetScaler("a", 0.5); err != nil {
		t.Fatal(err)
	}
	p.stream(90, time.Second, false)
	got := p.stream(90, 10*time.Second, false)
	near(t, "a at 0.5", float64(got["a"]), 500, 0.03)
	if err := p.SetGroups(o.Groups); err != nil {
		t.Fatal(err)
	}
	if st := p.Status().Groups[0]; st.Scaler != 0.5 || st.Capacity != 50 || st.Target != 100 {
		t.Errorf("after a reload that changed nothing: %+v", st)
	}
	if err := p.SetScaler("a", 0); err != nil {
		t.Fatal(err)
	}
	if got := p.stream(90, 2*time.Second, false); got["a"] != 0 {
		t.Errorf("%d requests went to a drained group", got["a"])
	}
	for _, bad := range []struct {
		group  string
		scaler float64
	}{{"b", 0}, {"a", 0.05}, {"a", 1.1}, {"a", math.NaN()}, {"a", -1}, {"c", 1}} {
		if err := p.SetScaler(bad.group, bad.scaler); err == nil {
			t.Errorf("SetScaler(%q, %v) was accepted", bad.group, bad.scaler)
		}
	}
	o.Groups[0].Capacity.Scaler = 0.8
	if err := p.SetGroups(o.Groups); err != nil {
		t.Fatal(err)
	}
	if st := p.Status().Groups[0]; st.Scaler != 0.8 {
		t.Errorf("the options' new scaler does not count: %+v", st)
	}
}

// A drained group is like drained endpoints: it is no primary, and nobody's health
// counts by it.
func TestADrainedPoolFailsOver(t *testing.T) {
	o := lb.Options{Groups: []lb.Group{group("a", "r", "z1", 2, rate(100)), group("b", "r", "z2", 2, rate(100))}}
	o.Groups[1].Backup = true
	p := newPlay(t, o)
	if got := p.stream(50, time.Second, false); got["a"] != 50 {
		t.Errorf("before: %v", got)
	}
	if err := p.SetScaler("a", 0); err != nil {
		t.Fatal(err)
	}
	if got := p.stream(50, time.Second, false); got["b"] != 50 {
		t.Errorf("with all primaries drained: %v", got)
	}
	if err := p.SetGroups(o.Groups[:1]); err != nil { // nobody but the drained one is left
		t.Fatal(err)
	}
	if got := p.stream(50, time.Second, false); got["a"] != 50 {
		t.Errorf("with the backups gone: %v", got)
	}
}

func TestAnOpenPanicDoesNotWaitForADrainedGroup(t *testing.T) {
	p := newPlay(t, lb.Options{
		Panic:  lb.PanicOpen,
		Groups: []lb.Group{group("a", "r", "z1", 2, rate(100)), group("b", "r", "z2", 1, rate(100))},
	})
	if err := p.SetScaler("a", 0); err != nil {
		t.Fatal(err)
	}
	if err := p.SetHealth("b-0", health.Unhealthy, "down"); err != nil {
		t.Fatal(err)
	}
	if got := p.stream(50, time.Second, false); got["b"] != 50 {
		t.Errorf("got %v", got)
	}
}

func TestAKeyStaysWhereItIsWhileDemandStandsStill(t *testing.T) {
	for _, demand := range []float64{95, 130, 250} {
		t.Run(fmt.Sprint(demand), func(t *testing.T) {
			p := newPlay(t, lb.Options{
				Policy: balance.Maglev(tableSize),
				Here:   capacity.Place{Region: "near", Zone: "z1"},
				Groups: []lb.Group{group("a", "near", "z1", 3, rate(100)), group("b", "far", "z2", 3, rate(100))},
			})
			p.stream(demand, 10*time.Second, true)
			const keys = 400
			home := make(map[uint64]string)
			moves, picks := 0, 0
			for i := range int(30 * demand) {
				key := uint64(i%keys)*0x9e3779b97f4a7c15 + 12345
				l, _ := p.one(lb.Request{Key: key, Keyed: true})
				l.Done(lb.Success)
				p.pass(time.Duration(float64(time.Second) / demand))
				if h, ok := home[key]; ok {
					picks++
					if h != l.Endpoint.ID {
						moves++
					}
				}
				home[key] = l.Endpoint.ID
			}
			if float64(moves) > 0.03*float64(picks) {
				t.Errorf("%d of %d requests came to another endpoint than the one before", moves, picks)
			}
		})
	}
}

func TestPicksThroughGroupsAllocateNothing(t *testing.T) {
	for _, c := range []capacity.Backend{rate(50), connections(3)} {
		for _, keyed := range []bool{false, true} {
			p := newPlay(t, lb.Options{
				Policy: policyFor(keyed),
				Here:   capacity.Place{Region: "near", Zone: "z1"},
				Groups: []lb.Group{group("a", "near", "z1", 3, c), group("b", "near", "z2", 3, c), group("c", "far", "z3", 3, c)},
			})
			p.stream(500, time.Second, keyed) // what is counted for the first time makes its counter
			held, _ := p.one(lb.Request{})
			defer held.Done(lb.Success)
			if n := testing.AllocsPerRun(1000, func() {
				l, _ := p.one(lb.Request{Key: 5, Keyed: keyed})
				l.Done(lb.Success)
			}); n != 0 {
				t.Errorf("%v, keyed=%v: %v allocations", c.Mode, keyed, n)
			}
		}
	}
}

// Where the options do not say how far a zone is, connects do.
func TestTheNearestZoneIsFoundByConnecting(t *testing.T) {
	p := newPlay(t, lb.Options{
		Service: capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone},
		Groups:  []lb.Group{group("a", "r", "z1", 2, rate(1000)), group("b", "r", "z2", 2, rate(1000))},
	})
	connects := func(a, b time.Duration) {
		for range 50 {
			p.Connected("a-0", a)
			p.Connected("b-0", b)
		}
		p.pass(time.Second)
	}
	for _, step := range []struct {
		a, b time.Duration
		want string
	}{
		{20 * time.Millisecond, time.Millisecond, "b"},
		{time.Millisecond / 2, 10 * time.Millisecond, "a"},
		{time.Millisecond * 11 / 20, time.Millisecond * 9, "a"},
		{time.Millisecond * 6 / 10, time.Millisecond * 58 / 100, "a"}, // a quarter more or less is no reason to change places

	} {
		connects(step.a, step.b)
		if got := p.stream(100, time.Second, false); got[step.want] != 100 {
			t.Errorf("connects of %v and %v: got %v", step.a, step.b, got)
		}
	}
}

// The second rule of the waterfall: a drained group gets nothing, and comes back
// a minute after it is well.
func TestAnIllGroupIsDrainedAndComesBack(t *testing.T) {
	p := newPlay(t, lb.Options{
		Service: capacity.ServicePolicy{AutoDrain: true},
		Here:    capacity.Place{Region: "r", Zone: "z1"},
		Groups: []lb.Group{
			group("a", "r", "z1", 10, rate(1000)), group("b", "r", "z2", 10, rate(1000)), group("c", "r", "z3", 10, rate(1000)),
		},
	})
	ill := func(n int) {
		for i := range 10 {
			to := health.Healthy
			if i < n {
				to = health.Unhealthy
			}
			if err := p.SetHealth(fmt.Sprintf("a-%d", i), to, "down"); err != nil {
				t.Fatal(err)
			}
		}
		p.pass(2 * time.Second)
	}
	for _, step := range []struct {
		ill     int
		wait    time.Duration
		drained bool
	}{
		{7, 0, false}, {8, 0, true}, {7, 100 * time.Second, true}, {6, 50 * time.Second, true}, {6, 20 * time.Second, false},
	} {
		ill(step.ill)
		p.pass(step.wait)
		got := p.stream(100, 2*time.Second, false)
		a := p.Status().Groups[0]
		if d := a.Drained; d != step.drained || d != (got["a"] == 0) {
			t.Errorf("%d ill, after %v: drained is %v, a got %d", step.ill, step.wait, d, got["a"])
		}
		// The last is never ill: if it gets nothing, that is why.
		if why := a.Endpoints[9].Standing; (why == lb.GroupDrained) != step.drained {
			t.Errorf("%d ill, after %v: the last endpoint stands %q", step.ill, step.wait, why)
		}
	}
}

// Also where a pick has looked at the clock for the sake of a nearer group.
func TestTheSecondGroupsRateIsKeptToo(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, rate(200)), group("b", "far", "z2", 2, rate(200)), group("c", "farther", "z3", 1, rate(1e6))},
	})
	var at []time.Time
	for i := range 4000 {
		l, g := p.one(lb.Request{})
		l.Done(lb.Success)
		if g == "b" {
			at = append(at, p.now)
		}
		p.pass(time.Second / time.Duration(300+i/10))
	}
	for i := range at[200:] {
		if d := at[i+200].Sub(at[i]); d < time.Second {
			t.Fatalf("201 requests within %v", d)
		}
	}
}

// Whoever picks at the same time: a number of connections is never exceeded, and
// everybody gets one.
func TestManyPicksAtOnceKeepTheTarget(t *testing.T) {
	const most = 7
	b, err := lb.New(lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 3, connections(most)), group("b", "far", "z2", 3, connections(1e6))},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var changes, picks sync.WaitGroup
	changes.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = b.SetAdmin("b-0", lb.Admin(i%2))
			_ = b.SetScaler("b", 0.5+float64(i%2)/2)
			b.Connected("b-1", time.Duration(i))
			b.Sweep()
			b.Status()
			runtime.Gosched() // on one core each pick would wait for the end of a time slice
		}
	})
	var inA atomic.Int64
	for range 8 {
		picks.Go(func() {
			for range 5000 {
				l, err := b.Pick(ctx, lb.Request{})
				if err != nil {
					t.Error(err)
					return
				}
				a := l.Endpoint.ID[0] == 'a'
				if a && inA.Add(1) > most {
					t.Error("a has more than its target")
				}
				runtime.Gosched()
				if a {
					inA.Add(-1)
				}
				l.Done(lb.Success)
			}
		})
	}
	picks.Wait()
	cancel()
	changes.Wait()
	for _, g := range b.Status().Groups {
		if g.Usage != 0 {
			t.Errorf("group %s: %v leases are left", g.Name, g.Usage)
		}
	}
}
