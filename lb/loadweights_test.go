package lb_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// weighing is a play of a service with WEIGHTED_ROUND_ROBIN.
func weighing(t *testing.T, o lb.Options) *play {
	t.Helper()
	w := health.DefaultLoadWeighting()
	o.Policy, o.LoadWeights = balance.WeightedRoundRobin(), &w
	return newPlay(t, o)
}

// weighted is a group's list with these weights.
func weighted(name string, weights ...uint32) []balance.Endpoint {
	var list []balance.Endpoint
	for i, w := range weights {
		list = append(list, balance.Endpoint{ID: fmt.Sprintf("%s-%d", name, i), Weight: w})
	}
	return list
}

// says reports a utilization, and requests per second if they are not negative.
func (p *play) says(id string, utilization, rps float64) {
	r := health.NoLoadReport()
	r.CPU, r.RPS = utilization, rps
	p.Report(id, &r)
}

// serve sends requests for so long, while each second who reports does.
func (p *play) serve(rate float64, seconds int, report func()) map[string]int {
	p.t.Helper()
	got := make(map[string]int)
	for range seconds {
		if report != nil {
			report()
		}
		for range int(rate) {
			l, _ := p.one(lb.Request{})
			got[l.Endpoint.ID]++
			l.Done(lb.Success)
			p.pass(time.Duration(float64(time.Second) / rate))
		}
	}
	return got
}

func shareOf(got map[string]int, id string) float64 {
	all := 0
	for _, n := range got {
		all += n
	}
	return float64(got[id]) / float64(all)
}

func TestTwiceTheUtilizationIsHalfTheShare(t *testing.T) {
	for _, c := range []capacity.Backend{{}, rate(1000)} {
		t.Run(c.Mode.String(), func(t *testing.T) {
			p := weighing(t, lb.Options{Groups: []lb.Group{{Name: "a", Endpoints: weighted("a", 1, 1, 1), Capacity: c}}})
			report := func() {
				p.says("a-0", 0.4, 100)
				p.says("a-1", 0.8, 100)
				p.says("a-2", 0.4, 100)
			}
			got := p.serve(100, 9, report)
			near(t, "share during the blackout", shareOf(got, "a-1"), 1.0/3, 0.01)
			p.serve(100, 3, report)
			got = p.serve(100, 10, report)
			near(t, "share at twice the utilization", shareOf(got, "a-1"), 0.2, 0.01)
			near(t, "share of the others", shareOf(got, "a-0"), 0.4, 0.01)
			if e := status(t, p.Balancer, "a-1"); math.Abs(e.ShareExpected-0.2) > 0.001 || math.Abs(e.LoadWeight-125) > 1e-9 || e.Weight != 1 {
				t.Errorf("status says %+v", e)
			}
			if !p.Status().UsesReports {
				t.Error("status does not say that reports count")
			}

			// The reports stop: they count for three minutes more, and then no longer.
			got = p.serve(10, 170, nil)
			near(t, "share without reports for 170 s", shareOf(got, "a-1"), 0.2, 0.01)
			p.serve(10, 15, nil)
			got = p.serve(30, 10, nil)
			near(t, "share when they have expired", shareOf(got, "a-1"), 1.0/3, 0.01)
			if e := status(t, p.Balancer, "a-1"); e.LoadWeight != 0 || p.Status().UsesReports {
				t.Errorf("status says %+v", e)
			}
		})
	}
}

// An endpoint that says nothing of its requests is weighed by those that it got,
// and settles where all are utilized alike.
func TestWhoReportsNoRateIsWeighedByTheMeasuredOne(t *testing.T) {
	p := weighing(t, lb.Options{Endpoints: weighted("a", 1, 1)})
	// a-0 can do 1000 requests a second, a-1 3000. Of so many, one more or less between
	// two sweeps than between two reports is next to nothing.
	can := map[string]float64{"a-0": 1000, "a-1": 3000}
	var got map[string]int
	for range 60 {
		got = p.serve(1200, 1, nil)
		for id, n := range got {
			p.says(id, float64(n)/can[id], -1)
		}
	}
	got = p.serve(1200, 10, nil)
	near(t, "share of the larger one", shareOf(got, "a-1"), 0.75, 0.03)
}

func TestWeightsOfLoadReports(t *testing.T) {
	for _, tc := range []struct {
		name    string
		weights []uint32
		rps     []float64 // at a utilization of 0.5; 0: no report
		want    []float64
	}{
		{"nobody reports", []uint32{1, 3}, []float64{0, 0}, []float64{0.25, 0.75}},
		{"one is not enough to compare", []uint32{1, 3}, []float64{10, 0}, []float64{0.25, 0.75}},
		{"two are", []uint32{1, 3}, []float64{10, 10}, []float64{0.5, 0.5}},
		{"who does not report gets the mean", []uint32{1, 1, 1}, []float64{10, 30, 0}, []float64{10.0 / 60, 30.0 / 60, 20.0 / 60}},
		{"a weight of 0 in the file stays", []uint32{1, 1, 0}, []float64{10, 30, 30}, []float64{0.25, 0.75, 0}},
		{"and does not count for the mean", []uint32{1, 1, 0, 1}, []float64{10, 30, 1000, 0}, []float64{10.0 / 60, 30.0 / 60, 0, 20.0 / 60}},
		{"far apart", []uint32{1, 1}, []float64{1, 10000}, []float64{0, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := weighing(t, lb.Options{Endpoints: weighted("a", tc.weights...)})
			for range 13 {
				for i, rps := range tc.rps {
					if rps > 0 {
						p.says(fmt.Sprintf("a-%d", i), 0.5, rps)
					}
				}
				p.pass(time.Second)
			}
			for i, want := range tc.want {
				if got := status(t, p.Balancer, fmt.Sprintf("a-%d", i)).ShareExpected; math.Abs(got-want) > 0.001 {
					t.Errorf("endpoint %d: share %v, want %v", i, got, want)
				}
			}
		})
	}
}

// Each group has a picker of its own where groups have a capacity, and weights are
// compared there.
func TestLoadReportsOfAGroupAreComparedInTheGroup(t *testing.T) {
	p := weighing(t, lb.Options{Groups: []lb.Group{
		{Name: "a", Endpoints: weighted("a", 1, 1), Capacity: rate(100)},
		{Name: "b", Endpoints: weighted("b", 1, 3), Capacity: rate(100)},
	}})
	p.serve(50, 14, func() {
		p.says("a-0", 0.5, 10)
		p.says("a-1", 0.5, 30)
		p.says("b-0", 0.5, 1000)
	})
	got := p.serve(50, 20, nil)
	near(t, "a-1 of a", float64(got["a-1"])/float64(got["a-0"]+got["a-1"]), 0.75, 0.03)
	near(t, "b-1 of b", float64(got["b-1"])/float64(got["b-0"]+got["b-1"]), 0.75, 0.03)
}

// An endpoint that comes back after a failure is not judged by what it said before,
// nor by its first moments.
func TestABlackoutBeginsWhenAnEndpointIsBack(t *testing.T) {
	p := weighing(t, lb.Options{Endpoints: weighted("a", 1, 1, 1)})
	report := func() {
		p.says("a-0", 0.2, 100)
		p.says("a-1", 0.4, 100)
		p.says("a-2", 0.4, 100)
	}
	p.serve(10, 13, report)
	near(t, "before", status(t, p.Balancer, "a-0").ShareExpected, 0.5, 0.01)
	must(t, p.SetHealth("a-0", health.Unhealthy, "gone"))
	p.serve(10, 2, nil)
	must(t, p.SetHealth("a-0", health.Healthy, ""))
	p.serve(10, 8, report)
	near(t, "in the blackout", status(t, p.Balancer, "a-0").ShareExpected, 1.0/3, 0.01)
	p.serve(10, 5, report)
	near(t, "after it", status(t, p.Balancer, "a-0").ShareExpected, 0.5, 0.01)
}

// A change that makes no difference worth a new picker makes no snapshot; small ones
// that add up do.
func TestSmallChangesOfLoadMakeNoSnapshot(t *testing.T) {
	p := weighing(t, lb.Options{Endpoints: weighted("a", 1, 1)})
	util := 0.5
	tick := func(change float64) uint64 {
		util *= change
		p.says("a-0", util, 100)
		p.says("a-1", 0.5, 100)
		p.pass(time.Second)
		return p.Snapshot().Version
	}
	for range 12 {
		tick(1)
	}
	before := tick(1)
	if now := tick(1.015); now != before {
		t.Error("a change by 1.5 % made a snapshot")
	}
	if now := tick(1 / 1.015); now != before {
		t.Error("and so did the way back")
	}
	tick(1.015)
	if now := tick(1.015); now != before+1 {
		t.Errorf("two steps of 1.5 %% made %d snapshots, want 1", now-before)
	}
	if now := tick(2); now != before+2 {
		t.Errorf("twice the utilization made %d snapshots, want 1", now-before-1)
	}
}

func TestReportsAndTheirWeightsFollowAReload(t *testing.T) {
	o := lb.Options{Endpoints: weighted("a", 1, 1)}
	p := weighing(t, o)
	report := func() {
		p.says("a-0", 0.2, 100)
		p.says("a-1", 0.4, 100)
	}
	p.serve(10, 13, report)
	must(t, p.SetEndpoints(weighted("a", 1, 1)))
	near(t, "after a reload", status(t, p.Balancer, "a-0").ShareExpected, 2.0/3, 0.01)
	moved := weighted("a", 1, 1)
	moved[0].Addr = "192.0.2.1:80"
	must(t, p.SetEndpoints(moved))
	near(t, "at another address", status(t, p.Balancer, "a-0").ShareExpected, 0.5, 0.01)
}

func TestLoadWeightsAreRefusedWhereTheyCannotCount(t *testing.T) {
	bad := health.DefaultLoadWeighting()
	bad.ErrorPenalty = -1
	_, err := lb.New(lb.Options{LoadWeights: &bad, ReportedWeights: true})
	for _, want := range []string{"penalty -1", "both LoadWeights and ReportedWeights"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
}
