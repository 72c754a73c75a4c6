package lb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// anyRules draws rules that find outliers often.
func anyRules(t *rapid.T) health.Outlier {
	return health.Outlier{
		ConsecutiveErrors:              rapid.IntRange(1, 6).Draw(t, "errors"),
		EnforcingConsecutiveErrors:     rapid.SampledFrom([]int{health.LogOnly, 50, 100}).Draw(t, "enforcing"),
		ConsecutiveGatewayFailure:      rapid.IntRange(1, 6).Draw(t, "gateway failures"),
		BaseEjectionTime:               time.Duration(rapid.IntRange(1, 20).Draw(t, "base")) * time.Second,
		MaxEjectionTime:                time.Minute,
		Interval:                       time.Duration(rapid.IntRange(1, 15).Draw(t, "interval")) * time.Second,
		MaxEjectionPercent:             rapid.IntRange(1, 100).Draw(t, "percent"),
		SuccessRateMinimumHosts:        2,
		SuccessRateRequestVolume:       5,
		SuccessRateStdevFactor:         500,
		EnforcingFailurePercentage:     100,
		FailurePercentageThreshold:     50,
		FailurePercentageMinimumHosts:  1,
		FailurePercentageRequestVolume: 5,
	}
}

// drawn is a play for one run of a property.
func drawn(t *testing.T, n int, rules health.Outlier) *play { return judged(t, n, rules) }

// Of any traffic, checks, operator's words and reloads at any time: never more are
// ejected than the percentage allows, counted with the last one (envoy#27066, #3263),
// somebody is always left who could serve, and when the failures end everybody
// comes back.
func TestCapHoldsSomebodyIsLeftAndAllComeBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rules := anyRules(r)
		n := rapid.IntRange(1, 8).Draw(r, "endpoints")
		p := drawn(t, n, rules)
		holds := func() {
			all, out, others, well := 0, 0, 0, false
			for _, e := range p.Status().Groups[0].Endpoints {
				if e.Admin != lb.Ready {
					continue
				}
				all++
				isIll := e.Health == health.Unhealthy
				switch {
				case e.Ejection.Ejected:
					out++
					well = well || !isIll
				case !isIll:
					others++
				}
			}
			if out*100 > rules.MaxEjectionPercent*all {
				r.Fatalf("%d of %d are ejected, %d%% may", out, all, rules.MaxEjectionPercent)
			}
			if others == 0 && well {
				r.Fatal("who could serve is ejected, and nobody else could")
			}
		}
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			id := fmt.Sprintf("e%d", rapid.IntRange(0, n-1).Draw(r, "endpoint"))
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			default:
				o := rapid.SampledFrom([]lb.Outcome{lb.Success, lb.Failure, lb.GatewayFailure, lb.ConnectFailure, lb.Neutral}).Draw(r, "outcome")
				for range rapid.IntRange(1, 8).Draw(r, "times") {
					if l, err := p.Pick(context.Background(), lb.Request{Sticky: id}); err == nil {
						l.Done(o)
					}
					holds()
				}
			case 0, 1:
				p.sweeps(time.Duration(rapid.IntRange(1, 20).Draw(r, "seconds")) * time.Second)
			case 2:
				_ = p.SetHealth(id, rapid.SampledFrom([]health.Status{health.Healthy, health.Unhealthy}).Draw(r, "health"), "drawn")
			case 3:
				_ = p.SetAdmin(id, rapid.SampledFrom([]lb.Admin{lb.Ready, lb.Drain}).Draw(r, "admin"))
			case 4:
				n = rapid.IntRange(1, 8).Draw(r, "endpoints now")
				must(t, p.SetEndpoints(endpoints(n)))
			}
			holds()
		}
		for i := range n {
			must(t, p.SetAdmin(fmt.Sprintf("e%d", i), lb.Ready))
		}
		for range 90 { // a minute is the longest, and two looks may still find what was
			for _, c := range p.Snapshot().Candidates {
				if l, err := p.Pick(context.Background(), lb.Request{Sticky: c.ID}); err == nil {
					l.Done(lb.Success)
				}
			}
			p.pass(time.Second)
		}
		if out := p.out(); out != "" {
			r.Fatalf("%s are still ejected", out)
		}
	})
}

// envoy#3263: of two or three hosts one was ejected whatever the percentage.
func TestNobodyIsEjectedWherePercentIsLessThanOneEndpoint(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(r, "endpoints")
		percent := rapid.IntRange(1, max(1, (100-1)/n)).Draw(r, "percent")
		if percent*n >= 100 {
			r.Skip()
		}
		p := drawn(t, n, health.Outlier{MaxEjectionPercent: percent})
		for i := range n {
			p.ends(fmt.Sprintf("e%d", i), 10, lb.GatewayFailure)
		}
		p.sweeps(12 * time.Second)
		p.wantOut(fmt.Sprintf("%d%% of %d", percent, n), "")
	})
}

// envoy#27066: of three hosts all three were ejected at 67 percent.
func TestAsManyAreEjectedAsThePercentageHasRoomFor(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(r, "endpoints")
		percent := rapid.IntRange(1, 100).Draw(r, "percent")
		p := drawn(t, n, health.Outlier{MaxEjectionPercent: percent})
		for i := range n {
			p.ends(fmt.Sprintf("e%d", i), 3, lb.GatewayFailure)
		}
		out := 0
		for _, e := range p.Status().Groups[0].Endpoints {
			if e.Ejection.Ejected {
				out++
			}
		}
		if want := min(n*percent/100, n-1); out != want {
			r.Fatalf("%d of %d are ejected at %d%%, want %d", out, n, percent, want)
		}
	})
}

// envoy#26758: found by a rule that looks at rates, an endpoint that never got better
// was ejected for the same time again and again.
func TestWhoNeverGetsBetterIsOutForLongerEachTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		base := rapid.IntRange(1, 20).Draw(r, "base")
		longest := rapid.IntRange(base, 100).Draw(r, "longest")
		rules := health.Outlier{
			BaseEjectionTime: time.Duration(base) * time.Second, MaxEjectionTime: time.Duration(longest) * time.Second,
			Interval:             time.Duration(rapid.IntRange(1, 20).Draw(r, "interval")) * time.Second,
			EnforcingSuccessRate: health.LogOnly, EnforcingConsecutiveGatewayFailure: health.LogOnly,
		}
		if rapid.Bool().Draw(r, "by rate") {
			rules.EnforcingFailurePercentage = 100
		} else {
			rules.EnforcingConsecutiveErrors = 100
		}
		p := drawn(t, 5, rules)
		last := time.Duration(0)
		for n := 1; n <= 6; {
			for i := range 4 {
				p.ends(fmt.Sprintf("e%d", i+1), 50, lb.Success)
			}
			for range 50 { // until it is ejected
				l, _ := p.one(lb.Request{Sticky: "e0"})
				if l.Endpoint.ID == "e0" {
					l.Done(lb.Failure)
				} else {
					l.Done(lb.Neutral)
				}
			}
			e := p.endpoint("e0").Ejection
			if !e.Ejected {
				p.pass(time.Second)
				e = p.endpoint("e0").Ejection
			}
			if !e.Ejected {
				continue
			}
			took := e.Until.Sub(p.now)
			want := min(time.Duration(n*base), time.Duration(longest)) * time.Second
			if took != want || took < last {
				r.Fatalf("ejection %d takes %v, want %v", n, took, want)
			}
			last = took
			p.sweeps(took)
			n++
		}
	})
}

// envoy#40697: the first ejection came after as many failures as were asked for, and
// later ones after more.
func TestEveryEjectionTakesAsManyFailuresAsTheFirst(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		failures := rapid.IntRange(1, 10).Draw(r, "failures")
		p := drawn(t, 2, health.Outlier{
			ConsecutiveGatewayFailure: failures, BaseEjectionTime: time.Second, MaxEjectionTime: 5 * time.Second,
			Interval: time.Duration(rapid.IntRange(1, 20).Draw(r, "interval")) * time.Second,
		})
		for range 6 {
			late := make([]lb.Lease, rapid.IntRange(0, 5).Draw(r, "under way"))
			for i := range late {
				late[i], _ = p.one(lb.Request{Sticky: "e0"})
			}
			p.ends("e0", failures-1, lb.GatewayFailure)
			p.wantOut("one is missing", "")
			p.ends("e0", 1, lb.GatewayFailure)
			p.wantOut("as many as asked for", "e0")
			for _, l := range late { // what was under way counts for nothing
				l.Done(lb.GatewayFailure)
			}
			p.sweeps(5 * time.Second)
			p.wantOut("its time is over", "")
		}
	})
}
