package lb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// successor is a play that begins now, by a clock that shows something else, and that
// knows what p knows.
func (p *play) successor(o lb.Options) *play {
	p.t.Helper()
	next := newPlay(p.t, o)
	must(p.t, next.Restore(p.Knowledge()))
	return next
}

// picked are the IDs of those that get any of a hundred requests.
func (p *play) picked() string {
	p.t.Helper()
	got := make(map[string]bool)
	for range 100 {
		l, _ := p.one(lb.Request{})
		got[l.Endpoint.ID] = true
		l.Done(lb.Success)
	}
	var ids []string
	for _, c := range p.Snapshot().Candidates {
		if got[c.ID] {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, " ")
}

func TestASuccessorKnowsWhoIsIll(t *testing.T) {
	check := &health.Check{Type: health.TypeTCP}
	o := lb.Options{Name: "web", Endpoints: named("a", "b", "c", "d"), HealthCheck: check}
	p := newPlay(t, o)
	p.finds("a", health.Unhealthy)
	p.finds("b", health.Healthy)
	p.finds("c", health.Timeout) // d was not checked yet

	for _, c := range []struct {
		name, picked string
		change       func(*lb.Options)
	}{
		{"the same", "b", func(*lb.Options) {}},
		{"endpoints come and go", "b", func(o *lb.Options) { o.Endpoints = named("e", "d", "b", "a") }},
		{"another address", "b", func(o *lb.Options) { o.Endpoints[0].Addr = "elsewhere:80" }},
		{"another check", "a b c d", func(o *lb.Options) { o.HealthCheck = &health.Check{Type: health.TypeHTTP} }},
		{"a check that only logs more", "b", func(o *lb.Options) { o.HealthCheck = &health.Check{Type: health.TypeTCP, LogResults: true} }},
		{"no check", "a b c d", func(o *lb.Options) { o.HealthCheck = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			o.Endpoints = named("a", "b", "c", "d")
			c.change(&o)
			next := p.successor(o)
			if got := next.picked(); got != c.picked {
				t.Errorf("%s get requests, want %s", got, c.picked)
			}
			if c.name == "the same" {
				for id, want := range map[string]health.Status{"a": health.Unhealthy, "b": health.Healthy, "c": health.Timeout, "d": health.Unknown} {
					if e := next.endpoint(id); e.Health != want || (e.Reason != "") != (want == health.Unhealthy || want == health.Timeout) {
						t.Errorf("%s is %v: %q, want %v", id, e.Health, e.Reason, want)
					}
				}
			}
		})
	}
}

// once finds the same of every endpoint, once, and never comes to an end again.
type once struct {
	health.Result
	asked sync.Map
}

func (o *once) Check(ctx context.Context, addr string) health.Result {
	if _, again := o.asked.LoadOrStore(addr, true); again {
		<-ctx.Done()
	}
	return o.Result
}

// probe has p check until the test ends.
func probe(t *testing.T, p *health.Prober) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// looks runs a balancer until every endpoint has been checked once, with this result.
func looks(t *testing.T, o lb.Options, found health.Result) *lb.Balancer {
	t.Helper()
	checker := &once{Result: found}
	o.Prober = &health.Prober{Checker: func(health.Check) (health.Checker, error) { return checker, nil }}
	probe(t, o.Prober)
	b := newBalancer(t, o)
	run(t, b)
	testkit.Eventually(t, b.Checked)
	return b
}

// A successor looks for itself before it is told. What it is told counts, and that it
// has looked is forgotten.
func TestASuccessorsChecksFollowUponThoseBefore(t *testing.T) {
	o := lb.Options{
		Endpoints:   named("a", "b"),
		HealthCheck: &health.Check{CheckInterval: 5 * time.Minute, Timeout: 5 * time.Minute, UnhealthyThreshold: 1},
	}
	well, ill := health.Result{OK: true}, health.Result{Reason: "refused"}
	for _, found := range []struct{ before, after health.Result }{{well, ill}, {ill, well}, {well, well}, {ill, ill}} {
		synctest.Test(t, func(t *testing.T) {
			before, after := looks(t, o, found.before), looks(t, o, found.after)
			must(t, after.Restore(before.Knowledge()))
			for _, id := range []string{"a", "b"} {
				was, is := status(t, before, id), status(t, after, id)
				if is.Health != was.Health || is.Reason != was.Reason || is.Checks.Streak != was.Checks.Streak || is.Checks.Done != 1 {
					t.Errorf("%s was %v %q %d, and is %v %q %d, after %d checks", id,
						was.Health, was.Reason, was.Checks.Streak, is.Health, is.Reason, is.Checks.Streak, is.Checks.Done)
				}
			}
			if s := after.Status(); s.ChecksPassed+s.ChecksFailed != 2 {
				t.Errorf("%d and %d checks are counted, of 2", s.ChecksPassed, s.ChecksFailed)
			}
		})
	}
}

func TestASuccessorKeepsEjections(t *testing.T) {
	outlier := health.Outlier{BaseEjectionTime: 30 * time.Second, MaxEjectionTime: 5 * time.Minute}
	o := lb.Options{Name: "web", Endpoints: endpoints(4), Outlier: &outlier}
	p := judged(t, 4, outlier)
	p.ends("e1", 3, lb.GatewayFailure)
	p.sweeps(20 * time.Second)

	next := p.successor(o)
	next.wantOut("at once", "e1")
	if got := next.picked(); got != "e0 e2 e3" {
		t.Errorf("%s get requests", got)
	}
	if e := next.endpoint("e1").Ejection; e.Reason != "CONSECUTIVE_GATEWAY_FAILURE" || e.Until.Sub(next.now) != 10*time.Second {
		t.Errorf("for %s, for %v more", e.Reason, e.Until.Sub(next.now))
	}
	next.sweeps(9 * time.Second)
	next.wantOut("for what was left of its time", "e1")
	next.sweeps(time.Second)
	next.wantOut("when that is over", "")

	next.ends("e1", 3, lb.GatewayFailure)
	if e := next.endpoint("e1").Ejection; e.Until.Sub(next.now) != time.Minute {
		t.Errorf("the second ejection is for %v, want twice as long as the first", e.Until.Sub(next.now))
	}
	third := next.successor(o).successor(o)
	third.sweeps(time.Minute)
	third.wantOut("over at last", "")
	fourth := third.successor(o)
	fourth.sweeps(time.Second) // which is no interval in which it was in use
	fourth.ends("e1", 3, lb.GatewayFailure)
	if e := fourth.endpoint("e1").Ejection; e.Until.Sub(fourth.now) != 90*time.Second {
		t.Errorf("the third ejection is for %v, want three times as long", e.Until.Sub(fourth.now))
	}
}

// A check that begins after an ejection ends it, in whichever process.
func TestAPassedCheckEndsARestoredEjection(t *testing.T) {
	o := lb.Options{Endpoints: named("a", "b", "c"), Outlier: &health.Outlier{BaseEjectionTime: time.Hour}}
	before := newBalancer(t, o)
	for range 3 {
		l, err := before.Pick(t.Context(), lb.Request{Sticky: "a"})
		must(t, err)
		l.Done(lb.GatewayFailure)
	}
	if !status(t, before, "a").Ejection.Ejected {
		t.Fatal("a is not ejected")
	}
	o.HealthCheck = &health.Check{}
	o.Prober = &health.Prober{Checker: func(health.Check) (health.Checker, error) { return &once{Result: health.Result{OK: true}}, nil }}
	after := newBalancer(t, o)
	must(t, after.Restore(before.Knowledge()))
	if !status(t, after, "a").Ejection.Ejected {
		t.Fatal("a is no longer ejected, and no check has passed")
	}
	probe(t, o.Prober)
	run(t, after)
	testkit.Eventually(t, func() bool { return !status(t, after, "a").Ejection.Ejected })
}

// The successor's file may say something else than the other's.
func TestASuccessorsRulesHold(t *testing.T) {
	long := health.Outlier{BaseEjectionTime: time.Minute, MaxEjectionPercent: 100}
	p := judged(t, 4, long)
	for _, id := range []string{"e1", "e2", "e3"} {
		p.ends(id, 3, lb.GatewayFailure)
		p.pass(time.Second)
	}
	with := func(o health.Outlier, n int) lb.Options {
		return lb.Options{Name: "web", Endpoints: endpoints(n), Outlier: &o}
	}
	p.successor(with(long, 4)).wantOut("the same rules", "e1 e2 e3")
	p.successor(with(health.Outlier{}, 4)).wantOut("half of them at most", "e2 e3")
	p.successor(with(health.Outlier{MaxEjectionPercent: 25}, 4)).wantOut("a quarter at most", "e3")
	p.successor(lb.Options{Endpoints: endpoints(4)}).wantOut("no rules", "")
	only := with(long, 4)
	only.Endpoints = only.Endpoints[1:]
	p.successor(only).wantOut("never the last", "")
	moved := with(long, 4)
	moved.Endpoints[1].Addr = "elsewhere:80"
	p.successor(moved).wantOut("another address", "e2 e3")
	short := p.successor(with(health.Outlier{BaseEjectionTime: 10 * time.Second, MaxEjectionTime: 10 * time.Second, MaxEjectionPercent: 100}, 4))
	short.sweeps(10 * time.Second)
	short.wantOut("for no longer than its own rules say", "")
}

func TestASuccessorGoesOnWithWarmUps(t *testing.T) {
	o := lb.Options{Endpoints: named("a", "b", "c", "d"), SlowStart: &lb.SlowStart{Window: time.Minute}, HealthCheck: &health.Check{}}
	p := slowly(t, lb.Options{Endpoints: named("a", "b"), HealthCheck: o.HealthCheck})
	p.finds("a", health.Healthy)
	p.finds("b", health.Healthy)
	p.set(named("a", "b", "c", "d"))
	p.finds("c", health.Healthy)
	p.pass(24 * time.Second)
	p.isWarm("c", 0.4)

	next := p.successor(o)
	next.isWarm("a", 1)
	next.isWarm("b", 1)
	next.isWarm("c", 0.4)
	within(t, "share of c", part(next.picks(2400, false), "c"), 0.4/2.4, 0.01)
	next.pass(12 * time.Second)
	next.isWarm("c", 0.6)

	next = next.successor(o)
	next.isWarm("c", 0.6)
	next.finds("d", health.Healthy) // which nobody had found well so far
	next.isWarm("d", 0.1)
	next.finds("b", health.Unhealthy)
	next = next.successor(o)
	next.pass(24 * time.Second)
	next.isWarm("c", 1)
	next.isWarm("d", 0.4)
	next.finds("b", health.Healthy)
	next.isWarm("b", 0.1)
	next.isWarm("a", 1)

	o.SlowStart = &lb.SlowStart{Window: 10 * time.Second}
	next = next.successor(o)
	next.isWarm("d", 1)
	o.SlowStart = nil
	next.successor(o).isWarm("d", 1)
}

// Whoever was warm does not warm up since the successor's own first look found him ill.
func TestWhoeverIsWarmStaysSoWhateverTheSuccessorHasSeen(t *testing.T) {
	o := lb.Options{Endpoints: named("a", "b"), SlowStart: &lb.SlowStart{Window: time.Minute}, HealthCheck: &health.Check{}}
	p := newPlay(t, o)
	p.finds("a", health.Healthy)
	p.finds("b", health.Healthy)
	next := newPlay(t, o)
	next.finds("a", health.Unhealthy)
	next.finds("b", health.Healthy)
	must(t, next.Restore(p.Knowledge()))
	next.isWarm("a", 1)
	if got := next.picked(); got != "a b" {
		t.Errorf("%s get requests", got)
	}
}

// What a balancer does not know of its endpoints, it does not take for known.
func TestWhatIsNotUnderstoodIsPassedOver(t *testing.T) {
	o := lb.Options{Name: "web", Endpoints: named("e0", "e1", "e2", "e3"), Outlier: &health.Outlier{}, HealthCheck: &health.Check{}, SlowStart: &lb.SlowStart{Window: time.Minute}}
	good := `{"addr": "e1:80", "health": {"check": "` + health.Check{}.Fingerprint() + `", "status": "UNHEALTHY", "later": 1}, "later": {"x": [1]}}`
	file := func(endpoints string) string { return `{"version": 1, "later": 2, "endpoints": {` + endpoints + `}}` }
	var huge strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&huge, `"gone%d": %s, `, i, good)
	}
	for _, c := range []struct{ name, text, says, ill string }{
		{"fields of a later version", file(`"e1": ` + good), "", "e1"},
		{"endpoints that are gone", file(huge.String() + `"e1": ` + good), "", "e1"},
		{"nothing", "", "unexpected end", ""},
		{"null", "null", "version 0, want 1", ""},
		{"something else", "[1, 2]", "cannot unmarshal", ""},
		{"no JSON", "\x00\xff", "invalid character", ""},
		{"cut off", file(`"e1": ` + good)[:40], "unexpected end", ""},
		{"no version", `{"endpoints": {"e1": ` + good + `}}`, "version 0, want 1", ""},
		{"another version", `{"version": 2, "endpoints": {"e1": ` + good + `}}`, "version 2, want 1", ""},
		{"an endpoint that is none", file(`"e0": 7, "e1": ` + good), `1 of 2 endpoints is not understood, such as of "e0"`, "e1"},
		{"endpoints that say nothing", file(`"e0": {}, "e2": null, "e1": ` + good), "", "e1"},
		{"a status of a later version", file(`"e0": {"addr": "e0:80", "health": {"status": "SAD"}}, "e1": ` + good), `"e0": health: "SAD" is no status`, "e1"},
		{"numbers that are too large", file(`"e0": {"addr": "e0:80", "ejection": {"left": 1e300}}, "e1": ` + good), `such as of "e0"`, "e1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlay(t, o)
			err := p.Restore([]byte(c.text))
			if c.says == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
			var ill []string
			for _, e := range p.Status().Groups[0].Endpoints {
				if e.Health == health.Unhealthy {
					ill = append(ill, e.ID)
				}
			}
			if got := strings.Join(ill, " "); got != c.ill {
				t.Errorf("ill are %q, want %q", got, c.ill)
			}
		})
	}
}

func TestARestoredEjectionIsLogged(t *testing.T) {
	p := judged(t, 3, health.Outlier{})
	p.ends("e1", 3, lb.GatewayFailure)
	var log bytes.Buffer
	p.successor(lb.Options{Name: "web", Endpoints: endpoints(3), Outlier: &health.Outlier{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if want := `msg="endpoint is still ejected" service=web endpoint=e1 reason=CONSECUTIVE_GATEWAY_FAILURE for=30s`; !strings.Contains(log.String(), want) {
		t.Errorf("%s\nwant %s", &log, want)
	}
}

// Whatever befalls endpoints, the one that takes over picks whom the one before would
// have picked, however often that happens, and says the same of them.
func TestASuccessorPicksTheSame(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		o := lb.Options{
			Name: "web", Endpoints: endpoints(6), HealthCheck: &health.Check{},
			Outlier: &health.Outlier{BaseEjectionTime: 10 * time.Second}, SlowStart: &lb.SlowStart{Window: 20 * time.Second},
		}
		p := newPlay(t, o)
		for step := range 40 {
			id := fmt.Sprintf("e%d", random.IntN(6))
			switch random.IntN(4) {
			case 0:
				p.finds(id, []health.Status{health.Healthy, health.Unhealthy, health.Timeout}[random.IntN(3)])
			case 1:
				if p.endpoint(id).Standing == lb.InUse {
					p.ends(id, 3, lb.GatewayFailure)
				}
			default:
				p.sweeps(time.Duration(random.IntN(8)) * time.Second)
			}
			next := p.successor(o)
			before, after := p.Snapshot().Candidates, next.Snapshot().Candidates
			for i := range before {
				was, is := p.endpoint(before[i].ID), next.endpoint(after[i].ID)
				if before[i].Share != after[i].Share || was.Standing != is.Standing || was.Health != is.Health || was.Reason != is.Reason ||
					was.Ejection.Ejected != is.Ejection.Ejected || was.Ejection.Ejected && was.Ejection.Until.Sub(p.now) != is.Ejection.Until.Sub(next.now) {
					t.Fatalf("seed %d, step %d: %s has %d, %+v\nand then %d, %+v", seed, step, was.ID, before[i].Share, was, after[i].Share, is)
				}
			}
			if random.IntN(3) == 0 {
				p = next
			}
		}
	}
}

func FuzzRestore(f *testing.F) {
	o := lb.Options{Name: "web", Endpoints: named("e0", "e1", "e2", "e3"), Outlier: &health.Outlier{}, HealthCheck: &health.Check{}, SlowStart: &lb.SlowStart{Window: time.Minute}}
	print := health.Check{}.Fingerprint()
	for _, text := range []string{
		``, `null`, `[]`, `{"version": 2}`, `{"version": 1, "endpoints": {"e0": null}}`,
		`{"version": 1, "endpoints": {"e0": {"addr": "e0:80", "health": {"check": "` + print + `", "status": "TIMEOUT", "streak": -3, "for": -1, "hold": 5}}}}`,
		`{"version": 1, "endpoints": {"e1": {"addr": "e1:80", "ejection": {"left": 9223372036854775807, "since": -9223372036854775808, "reason": "x", "row": 9223372036854775807}}}}`,
		`{"version": 1, "endpoints": {"e1": {"addr": "e1:80", "ejection": {"row": -9223372036854775808}}, "e2": {"addr": "e2:80", "warming": {"cold": true}}}}`,
		`{"version": 1, "endpoints": {"e2": {"addr": "e2:80", "warming": {"age": -9223372036854775808, "part": 4294967295}}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := newPlay(t, o)
		_ = p.Restore(text)
		p.sweeps(6 * time.Minute)
		p.wantOut("an ejection has an end", "")
		for i := range 4 {
			p.finds(fmt.Sprintf("e%d", i), health.Healthy)
		}
		p.sweeps(time.Minute)
		if got := p.picked(); got != "e0 e1 e2 e3" {
			t.Errorf("in the end %s get requests", got)
		}
		if again := p.Knowledge(); !json.Valid(again) || newPlay(t, o).Restore(again) != nil {
			t.Errorf("%s is no knowledge", again)
		}
	})
}
