package lb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// judged is a balancer with outlier detection over n endpoints, e0 to …, in virtual
// time.
func judged(t *testing.T, n int, o health.Outlier) *play {
	return newPlay(t, lb.Options{Name: "web", Endpoints: endpoints(n), Outlier: &o})
}

// ends has n leases on this endpoint end so, one after the other.
func (p *play) ends(id string, n int, with lb.Outcome) {
	p.t.Helper()
	for range n {
		l, _ := p.one(lb.Request{Sticky: id})
		if l.Endpoint.ID != id {
			p.t.Fatalf("a lease of %s where one of %s is wanted", l.Endpoint.ID, id)
		}
		l.Done(with)
	}
}

// sweeps lets seconds pass, one by one.
func (p *play) sweeps(d time.Duration) {
	for range d / time.Second {
		p.pass(time.Second)
	}
}

func (p *play) endpoint(id string) lb.EndpointStatus {
	p.t.Helper()
	return status(p.t, p.Balancer, id)
}

// out are the IDs of those that are ejected.
func (p *play) out() string {
	var ids []string
	for _, g := range p.Status().Groups {
		for _, e := range g.Endpoints {
			if e.Ejection.Ejected {
				ids = append(ids, e.ID)
			}
			if e.Ejection.Ejected && e.Standing == lb.InUse || e.Standing == lb.IsEjected && !e.Ejection.Ejected {
				p.t.Errorf("%s is ejected: %v, and stands %q", e.ID, e.Ejection.Ejected, e.Standing)
			}
		}
	}
	return strings.Join(ids, " ")
}

func (p *play) wantOut(what, want string) {
	p.t.Helper()
	if got := p.out(); got != want {
		p.t.Errorf("%s: ejected are %q, want %q", what, got, want)
	}
}

// one interval's traffic on every endpoint: so many of a hundred succeed.
func (p *play) traffic(successes map[string]int, n int) {
	for i := range n {
		id := fmt.Sprintf("e%d", i)
		good, listed := successes[id]
		if !listed {
			good = 100
		}
		// Failures are spread, so that they make no row.
		for k := range 100 {
			if o := p.endpoint(id); o.Ejection.Ejected {
				break
			}
			p.ends(id, 1, map[bool]lb.Outcome{true: lb.Success, false: lb.Failure}[(k+1)*good/100 > k*good/100])
		}
	}
}

// The rows of spec.md §10.4, and below them what it says of the algorithm.
func TestOutlierDetection(t *testing.T) {
	always := health.Outlier{EnforcingConsecutiveErrors: 100}
	rows := map[string]func(t *testing.T){
		"consecutiveErrors": func(t *testing.T) {
			p := judged(t, 3, always)
			p.ends("e0", 4, lb.Failure)
			p.wantOut("four errors", "")
			p.ends("e0", 1, lb.Failure)
			p.wantOut("five errors", "e0")
			if e := p.endpoint("e0").Ejection; e.Reason != "CONSECUTIVE_ERRORS" || e.Times != 1 || e.Until.Sub(p.now) != 30*time.Second {
				t.Errorf("%+v", e)
			}
		},
		"enforcingConsecutiveErrors": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{})
			p.ends("e0", 100, lb.Failure)
			p.wantOut("by default it is not enforced", "")
			draw := func() string {
				p := judged(t, 200, health.Outlier{EnforcingConsecutiveErrors: 30})
				for i := range 200 {
					p.ends(fmt.Sprintf("e%d", i), 5, lb.Failure)
				}
				return p.out()
			}
			first, second := draw(), draw()
			if first != second {
				t.Error("with the same seed there are other draws")
			}
			if out := len(strings.Fields(first)); out < 40 || out > 80 {
				t.Errorf("at 30%%, %d of 200 were ejected", out)
			}
		},
		"consecutiveGatewayFailure": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{})
			p.ends("e0", 2, lb.GatewayFailure)
			p.ends("e0", 1, lb.Failure) // an answer of its own: the row of gateway failures is over
			p.ends("e0", 2, lb.GatewayFailure)
			p.wantOut("never three in a row", "")
			p.ends("e0", 1, lb.GatewayFailure)
			p.wantOut("three in a row", "e0")
			if e := p.endpoint("e0"); e.Ejection.Reason != "CONSECUTIVE_GATEWAY_FAILURE" || e.Traffic.GatewayFailures != 5 || e.Failures != 6 {
				t.Errorf("%+v", e)
			}
		},
		"enforcingConsecutiveGatewayFailure": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{EnforcingConsecutiveGatewayFailure: health.LogOnly})
			p.ends("e0", 100, lb.GatewayFailure)
			p.sweeps(20 * time.Second)
			p.wantOut("not enforced", "")
		},
		"interval": func(t *testing.T) {
			p := judged(t, 6, health.Outlier{Interval: 7 * time.Second})
			p.pass(time.Second) // the first look has nothing to compare with
			p.traffic(map[string]int{"e1": 40}, 6)
			p.sweeps(6 * time.Second)
			p.wantOut("before the interval is over", "")
			p.pass(time.Second)
			p.wantOut("when it is", "e1")
		},
		"baseEjectionTime": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{BaseEjectionTime: 5 * time.Second})
			p.ends("e0", 3, lb.GatewayFailure)
			p.sweeps(4 * time.Second)
			p.wantOut("after 4 s", "e0")
			p.pass(time.Second)
			p.wantOut("after 5 s", "")
			if got := spread(t, p.Balancer, 30)["e0"]; got != 10 {
				t.Errorf("back in use it gets %d of 30", got)
			}
		},
		"maxEjectionTime": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{BaseEjectionTime: 20 * time.Second, MaxEjectionTime: 50 * time.Second, Interval: time.Hour})
			for _, want := range []time.Duration{20, 40, 50, 50} {
				p.ends("e0", 3, lb.GatewayFailure)
				if got := p.endpoint("e0").Ejection.Until.Sub(p.now); got != want*time.Second {
					t.Errorf("an ejection of %v, want %d s", got, want)
				}
				p.sweeps(want * time.Second)
			}
		},
		"maxEjectionPercent": func(t *testing.T) {
			for percent, want := range map[int]string{50: "e0", 66: "e0", 67: "e0 e1", 100: "e0 e1", 33: "", 34: "e0"} {
				p := judged(t, 3, health.Outlier{MaxEjectionPercent: percent})
				for _, id := range []string{"e0", "e1", "e2"} {
					p.ends(id, 3, lb.GatewayFailure)
				}
				p.wantOut(fmt.Sprintf("%d%% of three", percent), want)
			}
		},
		"enforcingSuccessRate": func(t *testing.T) {
			for percent, want := range map[int]string{0: "e1", health.LogOnly: ""} {
				p := judged(t, 6, health.Outlier{EnforcingSuccessRate: percent})
				p.pass(time.Second)
				p.traffic(map[string]int{"e1": 40}, 6)
				p.sweeps(10 * time.Second)
				p.wantOut(fmt.Sprint("enforcing ", percent), want)
			}
		},
		"successRateMinimumHosts": func(t *testing.T) {
			for n, want := range map[int]string{4: "", 5: "e1"} {
				p := judged(t, n, health.Outlier{})
				p.pass(time.Second)
				p.traffic(map[string]int{"e1": 40}, n)
				p.sweeps(10 * time.Second)
				p.wantOut(fmt.Sprint(n, " hosts"), want)
			}
		},
		"successRateRequestVolume": func(t *testing.T) {
			for volume, want := range map[int]string{100: "e1", 101: ""} {
				p := judged(t, 6, health.Outlier{SuccessRateRequestVolume: volume})
				p.pass(time.Second)
				p.traffic(map[string]int{"e1": 40}, 6)
				p.ends("e1", 50, lb.Neutral) // is no volume
				p.sweeps(10 * time.Second)
				p.wantOut(fmt.Sprint("volume ", volume), want)
			}
		},
		"successRateStdevFactor": func(t *testing.T) {
			// Mean 90, standard deviation 20: e1 is two of those below, and a half.
			for factor, want := range map[int]string{2100: "e1", 2300: ""} {
				p := judged(t, 6, health.Outlier{SuccessRateStdevFactor: factor})
				p.pass(time.Second)
				p.traffic(map[string]int{"e1": 40}, 6)
				p.sweeps(10 * time.Second)
				p.wantOut(fmt.Sprint("factor ", factor), want)
			}
		},
		"failure percentage (threshold, min hosts, volume)": func(t *testing.T) {
			rules := health.Outlier{EnforcingSuccessRate: health.LogOnly, EnforcingFailurePercentage: 100}
			for want, good := range map[string]int{"e1": 15, "": 16} {
				p := judged(t, 5, rules)
				p.pass(time.Second)
				p.traffic(map[string]int{"e1": good}, 5)
				p.sweeps(10 * time.Second)
				p.wantOut(fmt.Sprintf("%d%% succeed", good), want)
			}
			p := judged(t, 5, health.Outlier{EnforcingSuccessRate: health.LogOnly})
			p.pass(time.Second)
			p.traffic(map[string]int{"e1": 0}, 5)
			p.sweeps(10 * time.Second)
			p.wantOut("by default it is not enforced", "")
		},

		"consecutive counters act inline and are reset by a success": func(t *testing.T) {
			p := judged(t, 3, always)
			for range 20 {
				p.ends("e0", 2, lb.GatewayFailure)
				p.ends("e0", 1, lb.Success)
			}
			p.wantOut("with successes in between", "")
			before := p.Snapshot().Version
			p.ends("e0", 3, lb.GatewayFailure)
			p.wantOut("without a sweep", "e0")
			if p.Snapshot().Version != before+1 {
				t.Errorf("%d snapshots for one ejection", p.Snapshot().Version-before)
			}
			if got := spread(t, p.Balancer, 30)["e0"]; got != 0 {
				t.Errorf("an ejected endpoint got %d of 30", got)
			}
		},
		"an enforcing percentage of 0 only logs": func(t *testing.T) {
			log := new(testkit.Buffer)
			p := newPlay(t, lb.Options{Name: "web", Endpoints: endpoints(3), Log: testkit.Logger(log),
				Outlier: &health.Outlier{EnforcingConsecutiveGatewayFailure: health.LogOnly}})
			p.ends("e0", 300, lb.GatewayFailure)
			p.wantOut("300 failures", "")
			if n := strings.Count(log.String(), "outlier is not ejected"); n != 2 { // for each of both rules, errors and gateway failures
				t.Errorf("%d lines, want one for each rule:\n%s", n, log)
			}
		},
		"never more than max_ejection_percent, and the room is used when there is some": func(t *testing.T) {
			p := judged(t, 4, health.Outlier{BaseEjectionTime: 5 * time.Second})
			for _, id := range []string{"e0", "e1", "e2"} {
				p.ends(id, 3, lb.GatewayFailure)
				p.pass(time.Second)
			}
			p.wantOut("three of four fail", "e0 e1")
			if e := p.endpoint("e2").Ejection; e.Spared != "CONSECUTIVE_GATEWAY_FAILURE" || e.SparedBecause != "max_ejection_percent" {
				t.Errorf("nobody says why e2 is in use: %+v", e)
			}
			if e := p.endpoint("e0").Ejection; e.Spared != "" {
				t.Errorf("e0 is out: %+v", e)
			}
			if e := p.endpoint("e3").Ejection; e.Spared != "" {
				t.Errorf("e3 is well: %+v", e)
			}
			p.sweeps(2 * time.Second) // e0's time is over
			p.wantOut("e0 is back", "e1")
			p.pass(time.Second)
			p.wantOut("e2 has failed all the while", "e2")
			if e := p.endpoint("e2").Ejection; e.Spared != "" {
				t.Errorf("there was room for e2: %+v", e)
			}
		},
		"the last one that could serve is never ejected": func(t *testing.T) {
			p := judged(t, 2, health.Outlier{MaxEjectionPercent: 100})
			p.ends("e0", 3, lb.GatewayFailure)
			p.ends("e1", 100, lb.GatewayFailure)
			p.sweeps(3 * time.Second)
			p.wantOut("both fail", "e0")
			if e := p.endpoint("e1").Ejection; e.Spared != "CONSECUTIVE_GATEWAY_FAILURE" || e.SparedBecause != "nobody else could serve" {
				t.Errorf("nobody says why e1 is in use: %+v", e)
			}
			p.ends("e1", 1, lb.Success)
			if e := p.endpoint("e1").Ejection; e.Spared != "" {
				t.Errorf("e1 has answered: %+v", e)
			}
			for name, set := range map[string]func(p *play) error{
				"the other is drained": func(p *play) error { return p.SetAdmin("e1", lb.Drain) },
				"the other is ill":     func(p *play) error { return p.SetHealth("e1", health.Unhealthy, "down") },
				"the other is removed": func(p *play) error { return p.SetEndpoints(endpoints(1)) },
			} {
				p := judged(t, 2, health.Outlier{MaxEjectionPercent: 100})
				p.ends("e0", 3, lb.GatewayFailure)
				p.wantOut("at first", "e0")
				must(t, set(p))
				p.wantOut(name, "")
				if l := pick(t, p.Balancer, lb.Request{}); l.Endpoint.ID != "e0" {
					t.Errorf("%s: %s serves", name, l.Endpoint.ID)
				}
			}
		},
		"the last one of a region that traffic must not leave is never ejected": func(t *testing.T) {
			p := newPlay(t, lb.Options{
				Groups:  []lb.Group{group("eu", "eu", "eu-a", 2, rate(10)), group("us", "us", "us-a", 8, rate(10))},
				Here:    capacity.Place{Region: "eu"},
				Service: capacity.ServicePolicy{Isolation: capacity.Strict},
				Outlier: &health.Outlier{MaxEjectionPercent: 100},
			})
			p.ends("eu-0", 3, lb.GatewayFailure)
			p.ends("eu-1", 3, lb.GatewayFailure)
			p.wantOut("both fail, and nobody else is in scope", "eu-0")
			pick(t, p.Balancer, lb.Request{})
		},
		"each sweep after one without ejection makes the next shorter": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{BaseEjectionTime: 10 * time.Second})
			p.pass(time.Second)
			for range 3 {
				p.ends("e0", 3, lb.GatewayFailure)
				p.sweeps(p.endpoint("e0").Ejection.Until.Sub(p.now))
			}
			p.wantOut("after the third", "")
			p.sweeps(20 * time.Second)
			p.ends("e0", 3, lb.GatewayFailure)
			if got := p.endpoint("e0").Ejection; got.Until.Sub(p.now) != 20*time.Second || got.Times != 4 {
				t.Errorf("two sweeps later: %+v at %v", got, p.now)
			}
		},
		"a passing active check un-ejects and clears counters": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{})
			p.ends("e0", 3, lb.GatewayFailure)
			p.pass(time.Second)
			must(t, p.SetHealth("e0", health.Healthy, ""))
			p.wantOut("after a check", "")
			p.ends("e0", 2, lb.GatewayFailure)
			p.wantOut("two failures later", "")
			p.ends("e0", 1, lb.GatewayFailure)
			p.wantOut("three failures later", "e0")

			p = judged(t, 3, health.Outlier{OutlastChecks: true})
			p.ends("e0", 3, lb.GatewayFailure)
			must(t, p.SetHealth("e0", health.Healthy, ""))
			p.wantOut("where checks do not count", "e0")
		},
		"ejected hosts are treated as unhealthy and stay in N": func(t *testing.T) {
			group := func(name string, rate float64, backup bool) lb.Group {
				return lb.Group{Name: name, Backup: backup, Endpoints: []balance.Endpoint{{ID: name + "-0"}, {ID: name + "-1"}},
					Capacity: capacity.Backend{Mode: capacity.Rate, MaxRatePerEndpoint: rate}}
			}
			p := newPlay(t, lb.Options{Groups: []lb.Group{group("a", 10, false), group("b", 10, false)}, Outlier: &health.Outlier{}})
			p.ends("a-0", 3, lb.GatewayFailure)
			p.pass(time.Second)
			if g := p.Status().Groups[0]; g.Target != 20 {
				t.Errorf("the target of two endpoints, one of them ejected, is %v, want 20", g.Target)
			}
			f := newPlay(t, lb.Options{Outlier: &health.Outlier{MaxEjectionPercent: 100}, Groups: []lb.Group{
				{Name: "a", Endpoints: []balance.Endpoint{{ID: "a-0"}}}, {Name: "b", Backup: true, Endpoints: []balance.Endpoint{{ID: "b-0"}}}}})
			f.ends("a-0", 3, lb.GatewayFailure)
			if l := pick(t, f.Balancer, lb.Request{}); l.Endpoint.ID != "b-0" {
				t.Errorf("%s serves where the only primary is ejected", l.Endpoint.ID)
			}
			must(t, f.SetAdmin("a-0", lb.Ready)) // the operator's word is another axis
			f.wantOut("READY does not override it", "a-0")
			if _, g := f.one(lb.Request{Sticky: "a-0"}); g != "b" {
				t.Error("a session went to an ejected endpoint")
			}
		},
		"TCP: a connection failure counts as 5xx": func(t *testing.T) {
			p := judged(t, 3, health.Outlier{EnforcingConsecutiveErrors: 100, EnforcingConsecutiveGatewayFailure: health.LogOnly})
			p.ends("e0", 5, lb.ConnectFailure)
			p.wantOut("as one of consecutive_errors", "e0")
			p = judged(t, 3, health.Outlier{})
			p.ends("e0", 3, lb.ConnectFailure)
			p.wantOut("as one of consecutive_gateway_failure", "e0")
			if e := p.endpoint("e0"); e.Traffic.ConnectFailures != 3 {
				t.Errorf("%+v", e.Traffic)
			}
		},
		"a client that leaves never counts": func(t *testing.T) {
			p := judged(t, 6, health.Outlier{ConsecutiveErrors: 1, EnforcingConsecutiveErrors: 100, ConsecutiveGatewayFailure: 1, EnforcingFailurePercentage: 100})
			p.pass(time.Second)
			p.traffic(nil, 6)
			p.ends("e0", 1000, lb.Neutral)
			p.sweeps(20 * time.Second)
			p.wantOut("1000 clients have left", "")
		},
	}
	for name, row := range rows {
		t.Run(name, row)
	}
}

func TestEjectionsAreLogged(t *testing.T) {
	log := new(testkit.Buffer)
	p := newPlay(t, lb.Options{Name: "web", Endpoints: endpoints(2), Log: testkit.Logger(log), Outlier: &health.Outlier{}})
	l, _ := p.one(lb.Request{Sticky: "e0"})
	l.DoneFor(lb.GatewayFailure, "status 503")
	p.ends("e0", 2, lb.GatewayFailure)
	p.sweeps(30 * time.Second)
	for _, want := range []string{
		`level=WARN msg="endpoint ejected" service=web endpoint=e0 reason=CONSECUTIVE_GATEWAY_FAILURE last_failure="status 503" for=30s times=1`,
		`level=INFO msg="endpoint is no longer ejected" service=web endpoint=e0 reason="time is over"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no line %s in\n%s", want, log)
		}
	}
	p.ends("e0", 3, lb.GatewayFailure)
	p.ends("e1", 3, lb.GatewayFailure)
	if want := `level=WARN msg="outlier is not ejected" service=web endpoint=e1 reason=CONSECUTIVE_GATEWAY_FAILURE because="nobody else could serve"`; !strings.Contains(log.String(), want) {
		t.Errorf("no line %s in\n%s", want, log)
	}
}

func TestHealthyButRefusing(t *testing.T) {
	log := new(testkit.Buffer)
	p := newPlay(t, lb.Options{Name: "web", Endpoints: endpoints(3), HealthCheck: &health.Check{}, Log: testkit.Logger(log)})
	for i := range 3 {
		must(t, p.SetHealth(fmt.Sprintf("e%d", i), health.Healthy, ""))
	}
	refuses := func(what string, want bool) {
		t.Helper()
		p.pass(time.Second)
		if got := p.endpoint("e0").Traffic; got.Refuses != want {
			t.Errorf("%s: %+v, want refuses %v", what, got, want)
		}
	}
	l, _ := p.one(lb.Request{Sticky: "e0"})
	l.DoneFor(lb.ConnectFailure, "connection_refused")
	p.ends("e0", 1, lb.ConnectFailure)
	refuses("two connect failures", false)
	p.ends("e0", 1, lb.ConnectFailure)
	refuses("three", true)
	if got := p.endpoint("e0").Traffic.Reason; got != "connection_refused" {
		t.Errorf("reason %q", got)
	}
	p.ends("e0", 5, lb.Neutral)
	refuses("clients that left", true)
	p.ends("e0", 1, lb.Success)
	refuses("a success", false)
	p.ends("e0", 3, lb.ConnectFailure)
	p.ends("e0", 1, lb.Failure)
	refuses("an answer, if a bad one", false)
	must(t, p.SetHealth("e0", health.Unhealthy, "down"))
	for range 3 {
		p.Snapshot().Candidates[0].Load.Fail(balance.ConnectError, "")
	}
	refuses("one that checks, too, find ill", false)
	if on, off := strings.Count(log.String(), "healthy but refuses traffic"), strings.Count(log.String(), "no longer refuses"); on != 1 || off != 1 {
		t.Errorf("logged %d and %d times, want once each:\n%s", on, off, log)
	}
	unchecked := newPlay(t, lb.Options{Endpoints: endpoints(3)})
	unchecked.ends("e0", 10, lb.ConnectFailure)
	if unchecked.endpoint("e0").Traffic.Refuses {
		t.Error("one that is not checked cannot be healthy by its checks")
	}
}
