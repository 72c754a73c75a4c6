package capacity_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
)

// A plant is two groups of four whose utilization follows what they are given,
// and is reported late. Shares follow the estimates once a second, as they do in
// a balancer.
type plant struct {
	full  [2]float64 // the rate at which utilization is 1
	idle  float64    // utilization without any traffic
	delay int        // of reports, in seconds
	noise float64    // of reports, relative
	fixed [2]float64 // what is reported in place of the truth, if not 0

	dice      *rand.Rand
	reports   [][2]float64
	estimates []capacity.Estimate
}

func newPlant(delay int) *plant {
	return &plant{full: [2]float64{100, 50}, delay: delay, dice: rand.New(rand.NewPCG(1, 2)), estimates: make([]capacity.Estimate, 2)}
}

const maxUtilization = .8

// run lets seconds pass and returns the first group's share in each.
func (p *plant) run(seconds int, demand float64) []float64 {
	var shares []float64
	for range seconds {
		groups := []capacity.Group{at("eu", "a", 0), at("eu", "b", 0)}
		targets, unlimited := capacity.TargetsByReports(p.estimates, []int{4, 4}, 0)
		for i := range groups {
			groups[i].Target, groups[i].Unlimited = targets[i], unlimited[i]
		}
		plan := capacity.Arrange(groups, capacity.Place{}, capacity.ServicePolicy{})
		var now [2]float64
		parts := plan.Fill(groups, demand)
		for i, part := range parts {
			now[i] = (p.idle + part*demand/p.full[i]) * (1 + p.noise*(2*p.dice.Float64()-1))
			if p.fixed[i] > 0 {
				now[i] = p.fixed[i]
			}
		}
		p.reports = append(p.reports, now)
		seen := p.reports[max(0, len(p.reports)-1-p.delay)]
		for i, part := range parts {
			p.estimates[i].Observe(time.Second, part*demand, capacity.Reading{Utilization: seen[i], Max: maxUtilization})
		}
		shares = append(shares, parts[0])
	}
	return shares
}

// turns counts how often a series changes direction by more than so much.
func turns(series []float64, by float64) int {
	n, last, up := 0, series[0], 0
	for _, x := range series {
		switch {
		case x > last+by && up <= 0, x < last-by && up >= 0:
			n++
			up = -up
			if up == 0 {
				up = -1
			}
			if x > last {
				up = 1
			}
			last = x
		case up > 0 && x > last, up < 0 && x < last:
			last = x
		}
	}
	return n
}

func TestSharesByReportsSettleAndDoNotSwing(t *testing.T) {
	for delay := range 4 {
		t.Run(fmt.Sprintf("reports %d s late", delay), func(t *testing.T) {
			p := newPlant(delay)
			for _, demand := range []float64{60, 100, 60, 110, 40, 130} {
				shares := p.run(60, demand)
				// There, and back from where the reports' delay has let it go too far.
				if n := turns(shares, .002); n > 2 {
					t.Errorf("at %v the share turned %d times: %.3f", demand, n, shares)
				}
				if got := shares[59]; math.Abs(got-2./3) > .005 {
					t.Errorf("at %v: a share of %.3f, want 2/3", demand, got)
				}
				for i, want := range []float64{80, 40} {
					if got, known := p.estimates[i].Target(); !known || math.Abs(got/want-1) > .02 {
						t.Errorf("at %v group %d can take %.1f, want %v", demand, i, got, want)
					}
				}
			}
		})
	}
}

func TestSharesByNoisyReportsStayNear(t *testing.T) {
	p := newPlant(2)
	p.noise = .2
	p.run(60, 90)
	for _, got := range p.run(300, 90) {
		if math.Abs(got-2./3) > .05 {
			t.Fatalf("a share of %.3f with reports 20%% off, want 2/3 ± 0.05", got)
		}
	}
}

// An operator who looks at an idle service at night sees it full in the morning,
// unless this holds.
func TestAnIdleGroupKeepsWhatIsKnownOfIt(t *testing.T) {
	p := newPlant(2)
	p.idle = .1
	p.run(120, 100)
	before, _ := p.estimates[0].Target()
	p.run(3600, 1)
	after, known := p.estimates[0].Target()
	if !known || after < before/2 || after > before*2 {
		t.Errorf("could take %.1f, after an idle hour %.1f", before, after)
	}
}

func TestAGroupThatReportsTooMuchLosesSharesButNotAll(t *testing.T) {
	p := newPlant(1)
	p.fixed = [2]float64{.9, .3} // whatever it is given
	shares := p.run(1000, 100)
	if n := turns(shares, .002); n > 1 {
		t.Errorf("the share turned %d times: %.3f", n, shares)
	}
	if last := shares[999]; last > .2 || last <= 0 {
		t.Errorf("a share of %.4f is left", last)
	}
	p.fixed = [2]float64{}
	if got := p.run(120, 100)[119]; math.Abs(got-2./3) > .01 {
		t.Errorf("after it is well a share of %.3f, want 2/3", got)
	}
}

// What is reported belongs to an earlier rate.
func TestAJumpOfDemandIsNotTakenForCapacity(t *testing.T) {
	p := newPlant(2)
	p.run(60, 90)
	p.run(60, 25)
	for range 30 {
		p.run(1, 110)
		if got, _ := p.estimates[0].Target(); got > 110 {
			t.Fatalf("can take %.1f, want about 80", got)
		}
	}
}

func TestALossOfMachinesIsNoticed(t *testing.T) {
	p := newPlant(2)
	p.run(60, 90)
	p.full[0] = 25
	if got := p.run(120, 70)[119]; math.Abs(got-1./3) > .01 {
		t.Errorf("a share of %.3f, want 1/3", got)
	}
}

func TestWhatIsNotKnownCountsByMembers(t *testing.T) {
	p := newPlant(0)
	p.run(60, 90)
	known := p.estimates[0]
	idle := make([]capacity.Estimate, 2)
	for range 100 {
		idle[0].Observe(time.Second, 10, capacity.Reading{Utilization: .02, Max: .8})
	}
	forgot := p.estimates[1]
	forgot.Forget()
	// What is known of both together is dealt out by members while both are idle.
	p.run(100, 1)
	tests := []struct {
		name      string
		estimates []capacity.Estimate
		members   []int
		each      float64
		targets   []float64
		unlimited []bool
	}{
		{"nothing is known", make([]capacity.Estimate, 2), []int{4, 6}, 0, []float64{4, 6}, []bool{true, true}},
		{"nothing is known, and others go by rate", make([]capacity.Estimate, 2), []int{4, 6}, 25, []float64{100, 150}, []bool{true, true}},
		{"never more than idle", idle, []int{4, 6}, 0, []float64{4, 6}, []bool{true, true}},
		{"one is known", []capacity.Estimate{known, {}}, []int{4, 6}, 0, []float64{80, 120}, []bool{false, true}},
		{"one has stopped to report", []capacity.Estimate{known, forgot}, []int{4, 6}, 0, []float64{80, 120}, []bool{false, true}},
		{"both known, all idle", p.estimates, []int{4, 8}, 0, []float64{40, 80}, []bool{false, false}},
		{"known, and without members", []capacity.Estimate{known, {}}, []int{0, 2}, 0, []float64{80, 2}, []bool{false, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			targets, unlimited := capacity.TargetsByReports(tt.estimates, tt.members, tt.each)
			about := func(a, b float64) bool { return math.Abs(a-b) < b/100 }
			if !slices.EqualFunc(targets, tt.targets, about) || !slices.Equal(unlimited, tt.unlimited) {
				t.Errorf("got %.2f %v, want %v %v", targets, unlimited, tt.targets, tt.unlimited)
			}
		})
	}
}

func TestAnEstimateIgnoresWhatIsNoNumber(t *testing.T) {
	ok := capacity.Reading{Utilization: .4, Max: .8}
	var e capacity.Estimate
	for range 10 {
		e.Observe(time.Second, 100, ok)
	}
	e.Observe(time.Second, math.NaN(), ok)
	e.Observe(time.Second, math.Inf(1), ok)
	e.Observe(time.Second, -1, ok)
	e.Observe(0, 1000, ok)
	e.Observe(-time.Second, 1000, ok)
	for _, r := range []capacity.Reading{{Utilization: math.NaN(), Max: .8}, {Utilization: math.Inf(1), Max: .8}, {Utilization: -1, Max: .8}, {Utilization: .5}, {}} {
		e.Observe(time.Second, 100, r)
	}
	if got, known := e.Target(); !known || !near(got, 200) {
		t.Errorf("can take %v, want 200", got)
	}
}

// Rows of spec.md §2.6 and §2.2: what fullness goes by.
func TestReading(t *testing.T) {
	type metric = capacity.CustomMetric
	reported := map[string]float64{"orca.cpu_utilization": .4, "orca.mem_utilization": .6, "orca.named_metrics.gpu": .9, "orca.named_metrics.nan": math.NaN()}
	mean := func(name string) (float64, bool) { v, ok := reported[name]; return v, ok }
	custom := func(m ...metric) capacity.Backend {
		return capacity.Backend{Mode: capacity.CustomMetrics, CustomMetrics: m}
	}
	tests := []struct {
		name string
		b    capacity.Backend
		want capacity.Reading
		ok   bool
	}{
		{"UTILIZATION", capacity.Backend{Mode: capacity.Utilization, MaxUtilization: .5}, capacity.Reading{Utilization: .4, Max: .5}, true},
		{"UTILIZATION by default", capacity.Backend{Mode: capacity.Utilization}, capacity.Reading{Utilization: .4, Max: .8}, true},
		{"UTILIZATION with a rate alone", capacity.Backend{Mode: capacity.Utilization, MaxRate: 9}, capacity.Reading{}, false},
		{"UTILIZATION with a rate beside", capacity.Backend{Mode: capacity.Utilization, MaxRate: 9, MaxUtilization: .6}, capacity.Reading{Utilization: .4, Max: .6}, true},
		{"CUSTOM_METRICS", custom(metric{Name: "orca.mem_utilization"}), capacity.Reading{Utilization: .6, Max: .8}, true},
		{"the fullest counts", custom(metric{Name: "orca.mem_utilization", MaxUtilization: 1}, metric{Name: "orca.cpu_utilization", MaxUtilization: .5}), capacity.Reading{Utilization: .4, Max: .5}, true},
		{"dry run does not count", custom(metric{Name: "orca.named_metrics.gpu", DryRun: true}, metric{Name: "orca.cpu_utilization"}), capacity.Reading{Utilization: .4, Max: .8}, true},
		{"not reported", custom(metric{Name: "orca.named_metrics.disk"}, metric{Name: "orca.cpu_utilization"}), capacity.Reading{Utilization: .4, Max: .8}, true},
		{"none reported", custom(metric{Name: "orca.named_metrics.disk"}), capacity.Reading{}, false},
		{"no number", custom(metric{Name: "orca.named_metrics.nan"}), capacity.Reading{}, false},
		{"RATE", capacity.Backend{Mode: capacity.Rate, MaxRate: 9}, capacity.Reading{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := tt.b.Reading(mean); got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
