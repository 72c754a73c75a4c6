package health_test

import (
	"context"
	"crypto/tls"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// a witness notes what it is told of one endpoint.
type witness struct{ events []health.Event }

func (w *witness) report(ev health.Event) { w.events = append(w.events, ev) }

func (w *witness) last() health.Event { return w.events[len(w.events)-1] }

// restored has a Prober of its own check an endpoint that answers so, once it was told
// what is known of it, for n checks.
func restored(t *testing.T, c health.Check, r health.Record, ok bool, n int) (w witness, p health.ProbeStatus) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		f.set("a", func(context.Context) health.Result {
			return health.Result{OK: ok, Reason: map[bool]string{false: "refused"}[ok]}
		})
		prober := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return f, nil }}
		probe, err := prober.Add(c, "a", w.report)
		if err != nil {
			t.Fatal(err)
		}
		probe.Restore(r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = prober.Run(ctx)
		}()
		for len(f.times("a")) < n {
			time.Sleep(10 * time.Millisecond) // with more there may be two between two looks
		}
		synctest.Wait()
		p = probe.Status()
		cancel()
		<-done
	})
	return w, p
}

func TestChecksFollowUponWhatIsRestored(t *testing.T) {
	damped := health.Check{FlapDamping: true, CheckInterval: time.Second, HealthyThreshold: 1}
	for _, c := range []struct {
		name   string
		check  health.Check
		record health.Record
		ok     bool
		checks int
		want   health.Status
		streak int
	}{
		{"nothing but what was said", health.Check{}, health.Record{Status: health.Unhealthy, Reason: "500", Streak: -7}, true, 0, health.Unhealthy, -7},
		{"well is not good enough for who is down", health.Check{}, health.Record{Status: health.Unhealthy, Streak: -7}, true, 1, health.Unhealthy, 1},
		{"until the threshold is there", health.Check{}, health.Record{Status: health.Timeout, Streak: -7}, true, 2, health.Healthy, 2},
		{"a streak goes on", health.Check{HealthyThreshold: 3}, health.Record{Status: health.Unhealthy, Streak: 2}, true, 1, health.Healthy, 3},
		{"a failure brings nobody down who is up", health.Check{}, health.Record{Status: health.Healthy, Streak: 100}, false, 1, health.Healthy, -1},
		{"but two do", health.Check{}, health.Record{Status: health.Healthy, Streak: -1}, false, 1, health.Unhealthy, -2},
		{"who flaps is held down", damped, health.Record{Status: health.Unhealthy, Streak: -1, Hold: time.Minute, Fell: 30 * time.Second}, true, 10, health.Unhealthy, 10},
		{"for as long as was left", damped, health.Record{Status: health.Unhealthy, Streak: -1, Hold: time.Minute, Fell: 58 * time.Second}, true, 10, health.Healthy, 10},
		{"no hold is for ever", damped, health.Record{Status: health.Unhealthy, Streak: -1, Hold: math.MaxInt64, Fell: math.MinInt64, Rose: math.MinInt64}, true, 90, health.Healthy, 90},
		{"no streak is too long to count", health.Check{UnhealthyThreshold: 10}, health.Record{Status: health.Healthy, Streak: math.MaxInt}, true, 2, health.Healthy, 1<<30 + 2},
		{"nor too short", health.Check{}, health.Record{Status: health.Unhealthy, Streak: math.MinInt}, false, 2, health.Unhealthy, -1<<30 - 2},
		{"nothing is known", health.Check{}, health.Record{Streak: -7}, true, 1, health.Healthy, 1},
		{"draining is nothing that a check finds", health.Check{}, health.Record{Status: health.Draining}, true, 1, health.Healthy, 1},
		{"nor is what nobody has heard of", health.Check{}, health.Record{Status: 200, Streak: -7}, true, 1, health.Healthy, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p := restored(t, c.check, c.record, c.ok, c.checks)
			if p.Status != c.want || p.Streak != c.streak {
				t.Errorf("%v, streak %d, want %v, %d", p.Status, p.Streak, c.want, c.streak)
			}
			if p.Checks != uint64(c.checks) {
				t.Errorf("%d checks are counted, of %d", p.Checks, c.checks)
			}
			if w.last().Status != c.want {
				t.Errorf("who watches was told %v last", w.last().Status)
			}
		})
	}
}

// What one Prober has found another goes on with, and it can be said of it what could
// be said before.
func TestARecordIsWhatRestoreTakes(t *testing.T) {
	check := health.Check{CheckInterval: time.Second, UnhealthyThreshold: 1}
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		newProber := func() *health.Prober {
			return &health.Prober{Checker: func(health.Check) (health.Checker, error) { return f, nil }}
		}
		f.set("a", func(context.Context) health.Result { return health.Result{Reason: "refused"} })
		first := newProber()
		one, err := first.Add(check, "a", func(health.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = first.Run(ctx)
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		<-done
		before := one.Status()

		var early, late witness
		second := newProber()
		two, err := second.Add(check, "a", early.report)
		if err != nil {
			t.Fatal(err)
		}
		two.Restore(one.Record())
		if _, err := second.Add(check, "a", late.report); err != nil {
			t.Fatal(err)
		}
		after := two.Status()
		if after.Status != health.Unhealthy || after.Status != before.Status || after.Reason != before.Reason || after.Streak != before.Streak {
			t.Errorf("%+v is known, of %+v", after, before)
		}
		if !after.Since.Equal(before.Since) {
			t.Errorf("since %v, want %v", after.Since, before.Since)
		}
		for name, w := range map[string]*witness{"who watched": &early, "who comes later": &late} {
			if len(w.events) != 1 || w.last().Status != health.Unhealthy || !w.last().Restored || w.last().Reason != "refused" {
				t.Errorf("%s was told %+v", name, w.events)
			}
		}

		two.Restore(health.Record{Status: health.Healthy}) // by another service that has the endpoint
		if two.Status().Status != health.Unhealthy || len(early.events) != 1 {
			t.Errorf("the second that says something is believed: %+v", early.events)
		}
	})
}

func TestFingerprintsTellChecksApart(t *testing.T) {
	base := health.Check{Type: "http", RequestPath: "/up"}
	same := []health.Check{
		{Type: "HTTP", RequestPath: "/up"},
		base.WithDefaults(),
		{Type: "HTTP", RequestPath: "/up", LogResults: true},
		{Type: "HTTP", RequestPath: "/up", TLS: &tls.Config{}},
	}
	for _, c := range same {
		if c.Fingerprint() != base.Fingerprint() {
			t.Errorf("%+v differs from %+v", c, base)
		}
	}
	seen := map[string]health.Check{base.Fingerprint(): base}
	for _, c := range []health.Check{
		{},
		{Type: "HTTP"},
		{Type: "HTTP", RequestPath: "/up", CheckInterval: time.Second},
		{Type: "HTTP", RequestPath: "/up", HealthyThreshold: 3},
		{Type: "HTTP", RequestPath: "/up", UnhealthyThreshold: 3},
		{Type: "HTTP", RequestPath: "/up", Port: 81},
		{Type: "HTTP", RequestPath: "/up", Host: "a"},
		{Type: "HTTP", RequestPath: "/up", FlapDamping: true},
		{Type: "HTTPS", RequestPath: "/up", TLS: &tls.Config{}},
		{Type: "HTTPS", RequestPath: "/up", TLS: &tls.Config{ServerName: "a"}},
		{Type: "HTTPS", RequestPath: "/up", TLS: &tls.Config{ServerName: "b"}},
		{Type: "HTTPS", RequestPath: "/up", TLS: &tls.Config{InsecureSkipVerify: true}},
	} {
		if other, ok := seen[c.Fingerprint()]; ok {
			t.Errorf("%+v is %+v", c, other)
		}
		seen[c.Fingerprint()] = c
	}
	unverified := health.Check{Type: "HTTPS", RequestPath: "/up"}
	if c := seen[unverified.Fingerprint()]; c.TLS == nil || !c.TLS.InsecureSkipVerify {
		t.Errorf("without TLS settings a check is taken for %+v, and not for one that takes any certificate", c)
	}
	// What an older process has written is read by a newer one.
	if got, want := (health.Check{}).Fingerprint(), "76cb3b2757ddeac1"; got != want {
		t.Errorf("the fingerprint of the default check is %s, was %s", got, want)
	}
}

func TestStatusesHaveNames(t *testing.T) {
	for s := health.Unknown; s <= health.Draining; s++ {
		if got, err := health.ParseStatus(s.String()); got != s || err != nil {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	for _, name := range []string{"", "healthy", "Status(7)"} {
		if got, err := health.ParseStatus(name); err == nil {
			t.Errorf("%q is %v", name, got)
		}
	}
}
