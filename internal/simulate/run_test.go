package simulate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/simulate"
	"github.com/spillway-lb/spillway/lb"
)

func run(t testing.TB, o simulate.Options) *simulate.Report {
	t.Helper()
	r, err := simulate.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// paced is a minute of even traffic, or until the curve's end.
func paced(t testing.TB, o simulate.Options, demand string) *simulate.Report {
	t.Helper()
	c := curve(t, demand)
	o.Duration = c.End()
	if o.Duration == 0 {
		o.Duration = time.Minute
	}
	o.Arrivals = arrivals(t, simulate.Demand{Curve: c, Until: o.Duration, Seed: o.Seed})
	return run(t, o)
}

func rateOf(max float64) capacity.Backend {
	return capacity.Backend{Mode: capacity.Rate, MaxRate: max}
}

// group looks a group of a report up.
func group(t testing.TB, r *simulate.Report, name string) *simulate.GroupReport {
	t.Helper()
	for i := range r.Groups {
		if r.Groups[i].Group == name {
			return &r.Groups[i]
		}
	}
	t.Fatalf("no group %q", name)
	return nil
}

func endpoint(t testing.TB, r *simulate.Report, id string) *simulate.EndpointReport {
	t.Helper()
	for i := range r.Endpoints {
		if r.Endpoints[i].Endpoint == id {
			return &r.Endpoints[i]
		}
	}
	t.Fatalf("no endpoint %q", id)
	return nil
}

// near reports whether got is want, give or take a part of it.
func near(got, want, part float64) bool { return math.Abs(got-want) <= part*want }

// mean is the mean of the rates from one second to another.
func mean(rates []float64, from, to int) float64 {
	sum := 0.0
	for _, r := range rates[from:to] {
		sum += r
	}
	return sum / float64(to-from)
}

func TestEveryRequestIsServedOnceOrFails(t *testing.T) {
	for name, o := range map[string]simulate.Options{
		"plain":    {Service: lb.Options{Groups: groups(3, 4, capacity.Backend{})}},
		"capacity": {Service: lb.Options{Groups: groups(3, 4, rateOf(50))}},
		"failures": {
			Service:  lb.Options{Groups: groups(2, 2, rateOf(50)), HealthCheck: &health.Check{}},
			Failures: []simulate.Failure{{Name: "g1", From: 10 * time.Second}, {Name: "g2-1", From: 20 * time.Second, To: 40 * time.Second}, {Name: "g2-2", From: 15 * time.Second}},
		},
		"maximum": {Service: lb.Options{Endpoints: []balance.Endpoint{{Addr: "a:1", Max: 1}, {Addr: "b:1", Max: 1}}}},
		"queues":  {Service: lb.Options{Groups: groups(1, 2, capacity.Backend{})}, Cores: 1, ServiceTime: simulate.ServiceTime{Mean: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			r := paced(t, o, "0:200,60s:200")
			var byEndpoint, byGroup uint64
			var share, rate float64
			for _, e := range r.Endpoints {
				byEndpoint += e.Requests
				share += e.Share
			}
			for _, g := range r.Groups {
				byGroup += g.Requests
				rate += mean(g.Rate, 0, 60)
			}
			served := r.Requests - r.Errors
			if r.Requests != 12000 || byEndpoint != served || byGroup != served {
				t.Errorf("%d requests, %d errors; %d by endpoint, %d by group", r.Requests, r.Errors, byEndpoint, byGroup)
			}
			if math.Abs(share-1) > 1e-9 || !near(rate, float64(served)/60, 1e-9) || mean(r.Demand, 0, 60) != 200 {
				t.Errorf("shares sum up to %v, rates to %v, demand is %v", share, rate, mean(r.Demand, 0, 60))
			}
			if fails := name == "failures" || name == "maximum"; fails != (r.Errors > 0) {
				t.Errorf("%d errors", r.Errors)
			}
		})
	}
}

func TestTheSameSeedGivesTheSameReport(t *testing.T) {
	of := func(policy balance.Policy, seed uint64) string {
		o := simulate.Options{
			Service:     lb.Options{Policy: policy, Groups: groups(3, 12, rateOf(60)), HealthCheck: &health.Check{}},
			ServiceTime: simulate.ServiceTime{Mean: 200 * time.Millisecond, Exponential: true},
			Failures:    []simulate.Failure{{Name: "g1-1", From: 5 * time.Second, To: 9 * time.Second}},
			Duration:    20 * time.Second, Seed: seed,
		}
		for i := range o.Service.Groups[2].Endpoints {
			o.Service.Groups[2].Endpoints[i].Max = 1 // so that the policy's choice is full at times
		}
		o.Arrivals = arrivals(t, simulate.Demand{Curve: simulate.Constant(200), Until: o.Duration, Poisson: true, Seed: seed})
		b, err := json.Marshal(run(t, o))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, name := range balance.Names() {
		policy, err := balance.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if first, again := of(policy, 7), of(policy, 7); first != again {
			t.Errorf("%s: two reports of one seed differ", name)
		}
		if of(policy, 7) == of(policy, 8) {
			t.Errorf("%s: two seeds give one report", name)
		}
	}
}

// Three zones in two regions; demand rises to half more than all can take, and
// falls again.
func TestAWaterfallFillsZoneByZone(t *testing.T) {
	zone := func(name, region string) lb.Group {
		return lb.Group{Name: name, Region: region, Zone: name, Capacity: rateOf(100), Endpoints: []balance.Endpoint{{ID: name + "-1"}, {ID: name + "-2"}}}
	}
	o := simulate.Options{Service: lb.Options{
		Groups:  []lb.Group{zone("us-a", "us"), zone("eu-b", "eu"), zone("eu-a", "eu")},
		Here:    capacity.Place{Region: "eu", Zone: "eu-a"},
		Zones:   []capacity.Zone{{Place: capacity.Place{Region: "eu", Zone: "eu-b"}, RTT: time.Millisecond}, {Place: capacity.Place{Region: "us", Zone: "us-a"}, RTT: 90 * time.Millisecond}},
		Service: capacity.ServicePolicy{Algorithm: capacity.WaterfallByZone},
	}}
	r := paced(t, o, "0:0,100s:450,120s:450,220s:0")
	if r.Errors > 0 {
		t.Errorf("%d errors", r.Errors)
	}
	first, second, far := group(t, r, "eu-a"), group(t, r, "eu-b"), group(t, r, "us-a")
	// Demand rises by 4.5 each second.
	for _, c := range []struct {
		what     string
		g        *simulate.GroupReport
		from, to int
		want     float64
	}{
		{"the first takes everything while it has room", first, 0, 21, 4.5 * 10.5},
		{"the second gets nothing meanwhile", second, 0, 21, 0},
		{"the first is full", first, 30, 40, 100},
		{"and the second takes the rest", second, 25, 40, 4.5*32.5 - 100},
		{"the far one waits until both are full", far, 0, 42, 0},
		{"and takes the rest then", far, 48, 64, 4.5*56 - 200},
		{"when all are full, each gets its part", first, 102, 118, 150},
		{"the far one as well", far, 102, 118, 150},
		{"and back: the far one is empty again", far, 180, 220, 0},
		{"and so is the second", second, 200, 220, 0},
		{"and the first takes everything", first, 200, 220, 4.5 * 10},
	} {
		if got := mean(c.g.Rate, c.from, c.to); math.Abs(got-c.want) > 0.03*c.want+3 {
			t.Errorf("%s: %.1f/s from %d s to %d s, want %.1f", c.what, got, c.from, c.to, c.want)
		}
	}
	if len(r.Spills) == 0 || r.Spills[0].From != "eu-a" || r.Spills[0].To != "eu-b" || r.Spills[0].Requests == 0 {
		t.Errorf("spills: %+v", r.Spills)
	}
}

// Spec.md §2.4: targets of 80 and 20 and 200 requests per second are 160 and 40.
func TestOverfillIsInProportionToCapacity(t *testing.T) {
	g := groups(2, 2, capacity.Backend{})
	g[0].Capacity, g[1].Capacity = rateOf(80), rateOf(20)
	r := paced(t, simulate.Options{Service: lb.Options{Groups: g}}, "0:200,60s:200")
	if a, b := mean(group(t, r, "g1").Rate, 2, 60), mean(group(t, r, "g2").Rate, 2, 60); !near(a, 160, 0.03) || !near(b, 40, 0.03) || r.Errors > 0 {
		t.Errorf("%.1f/s and %.1f/s, %d errors", a, b, r.Errors)
	}
}

func TestAScalerMovesTraffic(t *testing.T) {
	o := simulate.Options{
		Service: lb.Options{Groups: groups(2, 2, rateOf(100)), Service: capacity.ServicePolicy{Algorithm: capacity.SprayToWorld}},
		Scales:  []simulate.Scale{{Group: "g1", Scaler: 0.25, At: 20 * time.Second}, {Group: "g1", Scaler: 0, At: 40 * time.Second}},
	}
	r := paced(t, o, "0:100,60s:100")
	for _, c := range []struct {
		from, to int
		want     float64
	}{{2, 20, 50}, {22, 40, 20}, {41, 60, 0}} {
		if got := mean(group(t, r, "g1").Rate, c.from, c.to); math.Abs(got-c.want) > 3 {
			t.Errorf("from %d s to %d s it gets %.1f/s, want %.0f", c.from, c.to, got, c.want)
		}
	}
	if c := group(t, r, "g1").Capacity; c[10] != 100 || c[30] != 25 || c[50] != 0 {
		t.Errorf("capacity %v, %v, %v", c[10], c[30], c[50])
	}
}

// Until the health check has noticed, requests meet the endpoint that is down, and
// are tried elsewhere; after that nobody is sent there.
func TestAFailureIsNoticedAfterItsHealthChecks(t *testing.T) {
	o := simulate.Options{
		Service: lb.Options{
			Groups:      groups(1, 4, capacity.Backend{}),
			HealthCheck: &health.Check{CheckInterval: 2 * time.Second, HealthyThreshold: 3, UnhealthyThreshold: 2},
		},
		Failures: []simulate.Failure{{Name: "g1-2", From: 10 * time.Second, To: 30 * time.Second}},
	}
	r := paced(t, o, "0:100,60s:100")
	e := endpoint(t, r, "g1-2")
	// Two checks of every two seconds: after two to four seconds. It is tried 25 times a
	// second, or 33, as a request that finds it down takes the next one's turn as well.
	if r.Errors > 0 || e.Failures < 2*25-1 || e.Failures > 4*34 {
		t.Errorf("%d errors, %d tries of who was down", r.Errors, e.Failures)
	}
	for _, c := range []struct {
		from, to int
		want     float64
	}{{0, 10, 25}, {10, 34, 0}, {36, 60, 25}} {
		if got := mean(e.Rate, c.from, c.to); math.Abs(got-c.want) > 0.5 {
			t.Errorf("from %d s to %d s it gets %.1f/s, want %.0f", c.from, c.to, got, c.want)
		}
	}
}

func TestWithoutAHealthCheckNobodyNotices(t *testing.T) {
	o := simulate.Options{
		Service:  lb.Options{Groups: groups(1, 2, capacity.Backend{})},
		Failures: []simulate.Failure{{Name: "g1-1", From: 0}},
	}
	r := paced(t, o, "0:100,60s:100")
	if e := endpoint(t, r, "g1-1"); e.Requests != 0 || e.Failures < 2999 || r.Errors > 0 {
		t.Errorf("%+v, %d errors", e, r.Errors)
	}
}

func TestNobodyIsServedWhileAllAreDown(t *testing.T) {
	o := simulate.Options{
		Service:  lb.Options{Groups: groups(2, 2, rateOf(100)), HealthCheck: &health.Check{CheckInterval: time.Second}},
		Failures: []simulate.Failure{{Name: "g1", From: 10 * time.Second, To: 20 * time.Second}, {Name: "g2", From: 10 * time.Second, To: 20 * time.Second}},
	}
	r := paced(t, o, "0:100,60s:100")
	if r.Errors < 1000 || r.Errors > 1300 {
		t.Errorf("%d errors in ten seconds and two checks, at 100 requests a second", r.Errors)
	}
}

// A connection counts as long as it lasts: 30 of 2 s each every second fill three
// targets of 20.
func TestConnectionsFillAGroupForAsLongAsTheyLast(t *testing.T) {
	o := simulate.Options{
		Service:     lb.Options{Groups: groups(4, 1, capacity.Backend{Mode: capacity.Connection, MaxConnections: 20})},
		ServiceTime: simulate.ServiceTime{Mean: 2 * time.Second},
	}
	o.Service.Here = capacity.Place{Region: "r", Zone: "z1"}
	o.Service.Service.Algorithm = capacity.WaterfallByZone
	for i := range 3 {
		o.Service.Zones = append(o.Service.Zones, capacity.Zone{Place: capacity.Place{Region: "r", Zone: fmt.Sprintf("z%d", i+2)}, RTT: time.Duration(i+1) * time.Millisecond})
	}
	r := paced(t, o, "0:30,60s:30")
	for i, want := range []float64{20, 20, 20, 0} {
		if got := mean(group(t, r, fmt.Sprintf("g%d", i+1)).Usage, 5, 60); math.Abs(got-want) > 0.5 {
			t.Errorf("group %d has %.1f connections, want %.0f", i+1, got, want)
		}
	}
}

// An endpoint of one core that needs 20 ms for each request serves 50 a second; so
// the policy that looks at who waits sends it no more.
func TestAQueueIsSeenByLeastRequest(t *testing.T) {
	o := simulate.Options{
		Service: lb.Options{Policy: balance.LeastRequest(0, 1), Groups: groups(1, 2, capacity.Backend{})}, Cores: 1,
		ServiceTime:  simulate.ServiceTime{Mean: 20 * time.Millisecond},
		ServiceTimes: map[string]simulate.ServiceTime{"g1-2": {Mean: 5 * time.Millisecond}},
	}
	r := paced(t, o, "0:200,60s:200")
	if got := mean(endpoint(t, r, "g1-1").Rate, 5, 60); !(got > 20 && got < 51) {
		t.Errorf("the slow one gets %.1f/s, more than it can do", got)
	}
}

// The utilization that endpoints report moves traffic away from those that are
// slow, without an oscillation.
func TestReportsOfUtilizationFindTheBalance(t *testing.T) {
	o := simulate.Options{
		Service: lb.Options{Groups: groups(2, 2, capacity.Backend{Mode: capacity.Utilization, MaxUtilization: 0.8})},
		Cores:   8,
		ServiceTimes: map[string]simulate.ServiceTime{
			"g1": {Mean: 20 * time.Millisecond}, "g2": {Mean: 60 * time.Millisecond},
		},
	}
	o.Service.Service.Algorithm = capacity.SprayToWorld
	r := paced(t, o, "0:300,180s:300")
	fast, slow := mean(group(t, r, "g1").Rate, 90, 180), mean(group(t, r, "g2").Rate, 90, 180)
	// Utilizations are equal when rates are as 3 to 1.
	if !near(fast/slow, 3, 0.1) || r.Errors > 0 {
		t.Errorf("%.1f/s and %.1f/s", fast, slow)
	}
	for i, rate := range group(t, r, "g1").Rate[90:] {
		if !near(rate, fast, 0.1) {
			t.Errorf("second %d: %.1f/s where the mean is %.1f/s", 90+i, rate, fast)
		}
	}
}

// Reserves of a group take over when those before them are ill.
func TestReservesTakeOver(t *testing.T) {
	o := simulate.Options{
		Service:  lb.Options{Groups: groups(1, 2, capacity.Backend{}), HealthCheck: &health.Check{CheckInterval: time.Second}},
		Failures: []simulate.Failure{{Name: "g1-1", From: 10 * time.Second}, {Name: "g1-2", From: 10 * time.Second}},
	}
	o.Service.Groups[0].Reserves = [][]balance.Endpoint{{{ID: "spare"}}}
	r := paced(t, o, "0:100,30s:100")
	if rate := endpoint(t, r, "spare").Rate; mean(rate, 0, 10) != 0 || mean(rate, 14, 30) != 100 {
		t.Errorf("it gets %.1f/s before and %.1f/s after", mean(rate, 0, 10), mean(rate, 14, 30))
	}
}

func TestKeysStayWithTheirEndpoint(t *testing.T) {
	keys := []uint64{11, 22, 33}
	o := simulate.Options{Service: lb.Options{Policy: balance.Maglev(0), Groups: groups(1, 20, capacity.Backend{})}, Duration: time.Minute}
	o.Arrivals = arrivals(t, simulate.Demand{Curve: simulate.Constant(100), Until: time.Minute, Keys: keys})
	used := 0
	for _, e := range run(t, o).Endpoints {
		if e.Requests > 0 {
			used++
		}
	}
	if used == 0 || used > len(keys) {
		t.Errorf("%d keys are on %d endpoints", len(keys), used)
	}
}

func TestASimulationCanBeStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := simulate.Options{Service: lb.Options{Groups: groups(1, 1, capacity.Backend{})}, Duration: time.Hour}
	o.Arrivals = arrivals(t, simulate.Demand{Curve: simulate.Constant(1e6), Until: time.Hour})
	if _, err := simulate.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWhatCannotBeSimulatedIsRefusedWithAllItsProblems(t *testing.T) {
	o := simulate.Options{
		Service:      lb.Options{Groups: groups(1, 1, rateOf(10))},
		Cores:        -1,
		Failures:     []simulate.Failure{{Name: "nobody"}, {Name: "g1", From: 2, To: 1}},
		Scales:       []simulate.Scale{{Group: "nowhere", Scaler: 0.5}, {Group: "g1", Scaler: 0.05}},
		ServiceTimes: map[string]simulate.ServiceTime{"none": {Mean: 1}, "g1": {Mean: -1}},
		ServiceTime:  simulate.ServiceTime{Mean: -1},
	}
	_, err := simulate.Run(context.Background(), o)
	for _, want := range []string{"no arrivals", "duration 0s", "-1 cores", `"nobody"; there are g1, g1-1`, `failure of "g1"`, `no group "nowhere"`, "scaler 0.05", `"none"`, `of "g1" is negative`, "service time -1ns is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing says %q: %v", want, err)
		}
	}
}

// The last group of a service cannot be drained; the balancer says so.
func TestWhatTheBalancerRefusesEndsTheSimulation(t *testing.T) {
	o := simulate.Options{
		Service:  lb.Options{Groups: groups(1, 1, rateOf(10))},
		Scales:   []simulate.Scale{{Group: "g1", At: time.Second}},
		Duration: time.Minute,
		Arrivals: simulate.Recording{{}}.Arrivals(),
	}
	if _, err := simulate.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "scaler") {
		t.Errorf("%v", err)
	}
}

func TestALongSimulationHasFewBuckets(t *testing.T) {
	o := simulate.Options{Service: lb.Options{Groups: groups(1, 1, capacity.Backend{})}, Duration: 24 * time.Hour, Arrivals: simulate.Recording{{At: 24*time.Hour - 1}}.Arrivals()}
	r := run(t, o)
	if n := len(r.Time); n < 100 || n > 600 || r.Time[n-1] != 86400 || r.Demand[n-1] == 0 {
		t.Errorf("%d buckets, the last until %v with %v", n, r.Time[n-1], r.Demand[n-1])
	}
}
