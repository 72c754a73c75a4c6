package lb_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

// A zoned checker finds everybody well but those whose zone is dark.
type zoned struct {
	dark   atomic.Value // the zone
	silent atomic.Bool  // they do not answer; else they refuse
	checks atomic.Int64
}

func (z *zoned) Check(ctx context.Context, addr string) health.Result {
	z.checks.Add(1)
	zone, _ := z.dark.Load().(string)
	switch {
	case zone == "" || addr[:len(zone)] != zone:
		return health.Result{OK: true}
	case z.silent.Load():
		<-ctx.Done()
		return health.Result{Timeout: true, Reason: "timeout"}
	}
	return health.Result{Reason: "connection refused"}
}

// running runs a balancer with a prober that others may share, in a bubble.
func running(t *testing.T, p *health.Prober, options ...lb.Options) (balancers []*lb.Balancer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	if p != nil {
		wg.Go(func() { _ = p.Run(ctx) })
	}
	for _, o := range options {
		o.Prober = p
		b := newBalancer(t, o)
		balancers = append(balancers, b)
		wg.Go(func() { _ = b.Run(ctx) })
	}
	return balancers, func() { cancel(); wg.Wait() }
}

// threeZones is n endpoints in zones a, b and c.
func threeZones(n int) []lb.Group {
	groups := []lb.Group{{Name: "a", Zone: "a"}, {Name: "b", Zone: "b"}, {Name: "c", Zone: "c"}}
	for i := range n {
		g := &groups[i%3]
		g.Endpoints = append(g.Endpoints, balance.Endpoint{Addr: fmt.Sprintf("%s%d:80", g.Zone, i)})
	}
	return groups
}

// TestAZoneThatFailsAtOncePublishesAFewSnapshots is a thousand endpoints, found out one by one.
func TestAZoneThatFailsAtOncePublishesAFewSnapshots(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%v", silent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := fewer(3_000, 1_200)
				z := new(zoned)
				p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
				all, stop := running(t, p, lb.Options{Groups: threeZones(n), HealthCheck: &health.Check{CheckInterval: time.Second}})
				defer stop()
				b := all[0]
				time.Sleep(3 * time.Second)
				if v := b.Snapshot().Version; v > 12 || taking(b) != n {
					t.Fatalf("to know all took %d snapshots, and %d of %d are in use", v, taking(b), n)
				}
				time.Sleep(5 * time.Second)
				before := b.Snapshot().Version
				z.silent.Store(silent)
				z.dark.Store("b")
				time.Sleep(5 * time.Second)
				if snapshots := b.Snapshot().Version - before; taking(b) != n*2/3 || snapshots > 12 || snapshots < 2 {
					t.Errorf("%d snapshots later %d of %d are in use", snapshots, taking(b), n)
				}
				quiet := b.Snapshot().Version
				t.Logf("%d snapshots", quiet-before)
				time.Sleep(5 * time.Second)
				if v := b.Snapshot().Version; v != quiet {
					t.Errorf("nothing happened, and there are %d more snapshots", v-quiet)
				}
				z.dark.Store("")
				time.Sleep(5 * time.Second)
				if snapshots := b.Snapshot().Version - quiet; taking(b) != n || snapshots > 12 {
					t.Errorf("%d snapshots after the zone came back %d of %d are in use", snapshots, taking(b), n)
				}
			})
		})
	}
}

// A zone whose checks pass again brings hundreds back one by one, as their checks end:
// that is a few snapshots, not hundreds.
func TestManyThatChecksTakeBackAreAFewSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, ill = 1_200, 400
		z := new(zoned)
		p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
		all, stop := running(t, p, lb.Options{
			Groups: threeZones(n), Outlier: &health.Outlier{}, HealthCheck: &health.Check{CheckInterval: 5 * time.Second},
		})
		defer stop()
		b := all[0]
		time.Sleep(11 * time.Second)
		for _, g := range b.Status().Groups[:1] {
			for _, e := range g.Endpoints {
				for range 3 {
					l, err := b.Pick(t.Context(), lb.Request{Sticky: e.ID})
					must(t, err)
					l.Done(lb.ConnectFailure)
				}
			}
		}
		time.Sleep(300 * time.Millisecond)
		if got := n - taking(b); got < ill/2 {
			t.Fatalf("only %d are ejected", got)
		}
		before := b.Snapshot().Version
		time.Sleep(6 * time.Second)
		if v := b.Snapshot().Version - before; taking(b) != n || v > 20 {
			t.Errorf("%d snapshots later %d of %d are in use", v, taking(b), n)
		}
	})
}

// A machine that sets its clock an hour forth or back while it runs has checks and
// ejections at other times of day: what began first is told by how long ago it was.
func TestChecksTakeBackWhateverTheTimeOfDay(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			z := new(zoned)
			p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
			all, stop := running(t, p, lb.Options{
				Groups: threeZones(3), Outlier: &health.Outlier{}, HealthCheck: &health.Check{CheckInterval: 5 * time.Second, Timeout: 5 * time.Second},
				Now: func() time.Time { return time.Now().Add(ahead) },
			})
			defer stop()
			b := all[0]
			time.Sleep(6 * time.Second)
			for range 3 {
				l, err := b.Pick(t.Context(), lb.Request{Sticky: "a0:80"})
				must(t, err)
				l.Done(lb.ConnectFailure)
			}
			if status(t, b, "a0:80").Standing != lb.IsEjected {
				t.Fatal("not ejected")
			}
			time.Sleep(6 * time.Second)
			if status(t, b, "a0:80").Standing != lb.InUse {
				t.Errorf("%v ahead: a check passed, and it is still ejected", ahead)
			}
		})
	}
}

func taking(b *lb.Balancer) (n int) {
	for _, c := range b.Snapshot().Candidates {
		if c.Share > 0 {
			n++
		}
	}
	return n
}

// TestOneEndpointThatFailsIsOutAtOnce: what is alone does not wait for company.
func TestOneEndpointThatFailsIsOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zoned)
		var told atomic.Int64
		p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
		all, stop := running(t, p, lb.Options{Groups: threeZones(3), HealthCheck: &health.Check{CheckInterval: time.Second, HealthyThreshold: 1, UnhealthyThreshold: 1}})
		defer stop()
		probe, err := p.Add(health.Check{CheckInterval: time.Second, HealthyThreshold: 1, UnhealthyThreshold: 1}, "b1:80", func(ev health.Event) {
			if ev.Changed {
				told.Store(ev.At.UnixNano())
			}
		})
		must(t, err)
		defer probe.Stop()
		time.Sleep(5 * time.Second)
		for i := range 10 { // time and again, too
			dark, want := "b", 2
			if i%2 == 1 {
				dark, want = "", 3
			}
			z.dark.Store(dark)
			for taking(all[0]) != want {
				time.Sleep(time.Millisecond)
			}
			if took := time.Since(time.Unix(0, told.Load())); took > 30*time.Millisecond {
				t.Errorf("change %d took effect %v after the check", i, took)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// TestServicesShareTheProbesOfAnEndpoint counts what an endpoint of two services is asked.
func TestServicesShareTheProbesOfAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zoned)
		p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
		o := lb.Options{Groups: threeZones(3), HealthCheck: &health.Check{CheckInterval: time.Second}}
		all, stop := running(t, p, o, o)
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := z.checks.Load(); n < 27 || n > 36 {
			t.Errorf("%d checks of 3 endpoints in 10 seconds", n)
		}
		for _, b := range all {
			if st := b.Status(); st.ChecksPassed != uint64(z.checks.Load()) || !b.Checked() {
				t.Errorf("%d of %d checks counted", st.ChecksPassed, z.checks.Load())
			}
		}
		must(t, all[0].SetEndpoints([]balance.Endpoint{{Addr: "a0:80"}})) // the other's go on
		before := all[1].Status().ChecksPassed
		time.Sleep(10 * time.Second)
		if n := all[1].Status().ChecksPassed - before; n < 27 || n > 33 {
			t.Errorf("%d checks in 10 seconds", n)
		}
	})
}

// TestAnEndpointThatComesBackIsKnownAtOnce removes one that another service still has checked.
func TestAnEndpointThatComesBackIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zoned)
		z.dark.Store("b")
		p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
		o := lb.Options{Groups: threeZones(3), HealthCheck: &health.Check{CheckInterval: time.Minute, Timeout: time.Second}}
		all, stop := running(t, p, o, o)
		defer stop()
		time.Sleep(3 * time.Minute)
		must(t, all[0].SetGroups(o.Groups[:1]))
		must(t, all[0].SetGroups(o.Groups)) // before Run has looked, perhaps
		time.Sleep(100 * time.Millisecond)
		if e := status(t, all[0], "b1:80"); e.Health != health.Unhealthy || e.Reason != "connection refused" || !all[0].Checked() {
			t.Errorf("%v, %q", e.Health, e.Reason)
		}
	})
}

// TestStatusTellsOfChecks reads what Status knows of an endpoint that is well and of one that is not.
func TestStatusTellsOfChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := new(zoned)
		z.dark.Store("b")
		p := &health.Prober{Checker: func(health.Check) (health.Checker, error) { return z, nil }}
		all, stop := running(t, p, lb.Options{Groups: threeZones(2), HealthCheck: &health.Check{CheckInterval: time.Second}})
		defer stop()
		synctest.Wait() // until it is watched
		if c := status(t, all[0], "a0:80").Checks; c.Done != 0 || len(c.Last()) != 0 {
			t.Errorf("before there was one: %+v", c)
		}
		begin := time.Now()
		time.Sleep(10 * time.Second)
		well, ill := status(t, all[0], "a0:80").Checks, status(t, all[0], "b1:80").Checks
		if well.Streak < 8 || ill.Streak > -8 || well.Flaps+ill.Flaps != 0 {
			t.Errorf("streaks %d and %d, flaps %d and %d", well.Streak, ill.Streak, well.Flaps, ill.Flaps)
		}
		for _, c := range []lb.CheckStatus{well, ill} {
			last := c.Last()
			if len(last) != 5 || last[4].OK != (c.Streak > 0) || time.Since(last[4].At) > 2*time.Second || last[0].At.After(last[4].At) {
				t.Errorf("last: %+v", last)
			}
			if c.Since.Before(begin) || c.Since.Sub(begin) > 3*time.Second || c.Next.Before(time.Now()) || time.Until(c.Next) > 2*time.Second {
				t.Errorf("since %v, next in %v", c.Since.Sub(begin), time.Until(c.Next))
			}
		}
	})
}

// TestNamedPortsAreThoseOfTheGroup checks two groups that give a name to different ports.
func TestNamedPortsAreThoseOfTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		ports := make(map[int]bool)
		p := &health.Prober{Checker: func(c health.Check) (health.Checker, error) {
			mu.Lock()
			defer mu.Unlock()
			ports[c.Port] = c.PortName == ""
			return new(zoned), nil
		}}
		groups := threeZones(3)[:2]
		o := lb.Options{Groups: groups, HealthCheck: &health.Check{PortName: "admin"}}
		groups[0].NamedPorts = map[string]int{"admin": 9000}
		if err := o.Validate(); err == nil {
			t.Error("a group without the port is accepted")
		}
		groups[1].NamedPorts = map[string]int{"admin": 9001, "http": 80}
		all, stop := running(t, p, o)
		defer stop()
		time.Sleep(2 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(ports) != 2 || !ports[9000] || !ports[9001] {
			t.Errorf("checked at %v", ports)
		}
		if !all[0].Checked() || all[0].SetGroups(threeZones(3)) == nil {
			t.Error("groups without the port are accepted later")
		}
	})
}

// TestStateMachineDraining is the row of spec.md §8.3 that is not of health: whatever that is, the operator's word stands
// before it, and health is known beside it.
func TestStateMachineDraining(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(1)})
	for _, is := range []health.Status{health.Unknown, health.Healthy, health.Unhealthy, health.Timeout} {
		for word, want := range map[lb.Admin]health.Status{lb.Ready: is, lb.Drain: health.Draining, lb.Down: health.Draining} {
			t.Run(fmt.Sprint(is, " ", word), func(t *testing.T) {
				must(t, b.SetHealth("e0", is, "why"))
				must(t, b.SetAdmin("e0", word))
				if e := status(t, b, "e0"); e.State() != want || e.Health != is {
					t.Errorf("%v, health %v; want %v, %v", e.State(), e.Health, want, is)
				}
			})
		}
	}
}
