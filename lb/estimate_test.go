package lb_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A worker is an endpoint that reports its utilization: a part for each request
// of the last second, and what its machine does by itself.
type worker struct {
	id        string
	each, own float64
	began     uint64
}

// work streams while workers report once a second, and returns what each group
// got in each second.
func (p *play) work(rate float64, seconds int, workers []*worker) []map[string]int {
	var got []map[string]int
	for range seconds {
		got = append(got, p.stream(rate, time.Second, false))
		for _, g := range p.Status().Groups {
			for _, e := range g.Endpoints {
				for _, w := range workers {
					if w.id == e.ID {
						r := health.NoLoadReport()
						r.CPU = w.own + w.each*float64(e.Requests-w.began)
						w.began = e.Requests
						p.Report(w.id, &r)
					}
				}
			}
		}
	}
	return got
}

func utilization(most float64) capacity.Backend {
	return capacity.Backend{Mode: capacity.Utilization, MaxUtilization: most}
}

// ORCA: who reports 90 % against a target of 80 % loses to who reports 30 %.
func TestAGroupThatReportsTooMuchLosesShare(t *testing.T) {
	p := newPlay(t, lb.Options{Groups: []lb.Group{
		group("a", "r", "z1", 1, utilization(0.8)), group("b", "r", "z2", 1, utilization(0.8)),
	}})
	// With equal shares of 100 a second, a is at 90 % and b at 30 %.
	workers := []*worker{{id: "a-0", each: 0.9 / 50}, {id: "b-0", each: 0.3 / 50}}
	p.work(100, 60, workers)
	last := p.work(100, 30, workers)
	for i, got := range last {
		// b can do three times as much.
		if math.Abs(float64(got["b"])-75) > 6 {
			t.Errorf("second %d: a got %d, b got %d", 60+i, got["a"], got["b"])
		}
	}
	st := p.Status().Groups
	near(t, "a's target", st[0].Target, 50*0.8/0.9, 0.1)
	near(t, "b's target", st[1].Target, 50*0.8/0.3, 0.1)
	for range 300 { // nobody reports any more
		if got := p.stream(100, time.Second, false); got["a"]+got["b"] != 100 {
			t.Fatal("a request was lost")
		}
	}
	if got := p.stream(100, 10*time.Second, false); got["a"] < 495 || got["a"] > 505 {
		t.Errorf("without reports a got %d of 1000", got["a"])
	}
}

// While nobody reports, a member counts for as much as one of the groups that have a
// rate, also of those that have it beside what they report.
func TestBeforeReportsMembersCountForARateBeside(t *testing.T) {
	beside := utilization(0.8)
	beside.MaxRate = 100
	p := newPlay(t, lb.Options{Groups: []lb.Group{
		group("a", "r", "z1", 2, utilization(0.8)), group("b", "r", "z2", 1, beside),
	}})
	if got := p.stream(90, 10*time.Second, false); got["a"] < 570 || got["a"] > 630 {
		t.Errorf("a, with two of three members, got %d of 900", got["a"])
	}
}

// A maximum of 0 is a group that is always full, idle or not: it gets something only
// where nobody else serves.
func TestAMaximumOf0IsAlwaysFull(t *testing.T) {
	for _, none := range []capacity.Backend{
		utilization(capacity.NoUtilization),
		{Mode: capacity.CustomMetrics, CustomMetrics: []capacity.CustomMetric{
			{Name: "orca.mem_utilization"}, {Name: "orca.cpu_utilization", MaxUtilization: capacity.NoUtilization},
		}},
	} {
		t.Run(none.Mode.String(), func(t *testing.T) {
			p := newPlay(t, lb.Options{
				Here:   capacity.Place{Region: "near", Zone: "z1"},
				Groups: []lb.Group{group("a", "near", "z1", 2, none), group("b", "near", "z1", 1, rate(50)), group("c", "far", "z2", 1, utilization(0.8))},
			})
			workers := []*worker{{id: "a-0", own: 0.02}, {id: "a-1", own: 0.02}, {id: "c-0", each: 0.01, own: 0.2}}
			for _, demand := range []float64{10, 400} {
				for i, got := range p.work(demand, 20, workers) {
					if got["a"] > 0 {
						t.Fatalf("second %d of %v per second: a got %d", i, demand, got["a"])
					}
				}
			}
			for _, id := range []string{"b-0", "c-0"} {
				if err := p.SetHealth(id, health.Unhealthy, ""); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.stream(100, 5*time.Second, false); got["a"] != 500 {
				t.Errorf("a alone got %d of 500", got["a"])
			}
			if a := p.Status().Groups[0]; a.Target != 0 || a.Capacity != 0 || a.Fullness != 1 {
				t.Errorf("a has target %v, capacity %v, fullness %v; want 0, 0, 1", a.Target, a.Capacity, a.Fullness)
			}
		})
	}
}

// A dry run is shown beside what counts, as the mean of those that are not ill, and
// has no part in anything else.
func TestADryRunIsShownAndDoesNotCount(t *testing.T) {
	dry := capacity.Backend{Mode: capacity.CustomMetrics, CustomMetrics: []capacity.CustomMetric{
		{Name: "orca.named_metrics.gpu", DryRun: true}, {Name: "orca.mem_utilization", MaxUtilization: 0.5}, {Name: "orca.application_utilization"},
	}}
	p := newPlay(t, lb.Options{Groups: []lb.Group{group("a", "r", "z1", 3, dry)}})
	if err := p.SetHealth("a-2", health.Unhealthy, ""); err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"a-0", "a-1", "a-2"} {
		r := health.NoLoadReport()
		r.Memory, r.Named = 0.2, []health.NamedMetric{{Name: "gpu", Value: 0.5 + 0.25*float64(i)}}
		p.Report(id, &r)
	}
	p.stream(10, 2*time.Second, false)
	a := p.Status().Groups[0]
	want := []lb.MetricStatus{{Name: "orca.named_metrics.gpu", Utilization: 0.625}, {Name: "orca.mem_utilization", Utilization: 0.2}}
	if !slices.Equal(a.Metrics, want) {
		t.Errorf("got %v, want %v", a.Metrics, want)
	}
	near(t, "fullness", a.Fullness, 0.4, 1e-9)
}

// When demand exceeds what all report they can take, it is spread, not refused.
func TestReportsSpill(t *testing.T) {
	p := newPlay(t, lb.Options{
		Here:   capacity.Place{Region: "near", Zone: "z1"},
		Groups: []lb.Group{group("a", "near", "z1", 2, utilization(0.8)), group("b", "far", "z2", 2, utilization(0.8))},
	})
	workers := []*worker{
		{id: "a-0", each: 0.8 / 50, own: 0.02}, {id: "a-1", each: 0.8 / 50, own: 0.02},
		{id: "b-0", each: 0.8 / 100, own: 0.02}, {id: "b-1", each: 0.8 / 100, own: 0.02},
	}
	for _, step := range []struct{ demand, a float64 }{{60, 60}, {150, 98}, {250, 98}, {60, 60}} {
		p.work(step.demand, 60, workers)
		sum := 0
		for _, got := range p.work(step.demand, 30, workers) {
			sum += got["a"]
		}
		if got := float64(sum) / 30; math.Abs(got-step.a) > 0.1*step.a {
			t.Errorf("demand %v: a got %v a second, want %v", step.demand, got, step.a)
		}
	}
}
