package health_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// A fleet is what a Prober checks in a bubble: endpoints that answer as they are told, and that count who asks.
type fleet struct {
	mu       sync.Mutex
	asked    map[string][]time.Time
	answer   map[string]func(context.Context) health.Result // default: well
	now, max int                                            // checks under way
}

func newFleet() *fleet {
	return &fleet{asked: make(map[string][]time.Time), answer: make(map[string]func(context.Context) health.Result)}
}

func (f *fleet) Check(ctx context.Context, addr string) health.Result {
	f.mu.Lock()
	f.asked[addr] = append(f.asked[addr], time.Now())
	f.now++
	f.max = max(f.max, f.now)
	answer := f.answer[addr]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	if answer != nil {
		return answer(ctx)
	}
	return health.Result{OK: true}
}

func (f *fleet) set(addr string, answer func(context.Context) health.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer[addr] = answer
}

func (f *fleet) times(addr string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.asked[addr]...)
}

// most is how many checks were under way at once.
func (f *fleet) most() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.max
}

func silent(ctx context.Context) health.Result {
	<-ctx.Done()
	return health.Result{Timeout: true, Reason: "timeout"}
}

func refused(context.Context) health.Result { return health.Result{Reason: "connection refused"} }

// probing runs a Prober of the fleet in a bubble until test returns.
func probing(t *testing.T, test func(t *testing.T, p *health.Prober, f *fleet)) {
	probingAtMost(t, 0, test)
}

// probingAtMost is probing with so many checks at once.
func probingAtMost(t *testing.T, checks int, test func(t *testing.T, p *health.Prober, f *fleet)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet()
		p := &health.Prober{MaxChecks: checks, Checker: func(health.Check) (health.Checker, error) { return f, nil }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		test(t, p, f)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// add has an endpoint checked and returns the place of its last event.
func add(t *testing.T, p *health.Prober, c health.Check, addr string) (*health.Probe, func() []health.Event) {
	t.Helper()
	var mu sync.Mutex
	var events []health.Event
	probe, err := p.Add(c, addr, func(ev health.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, ev)
	})
	if err != nil {
		t.Fatal(err)
	}
	return probe, func() []health.Event {
		mu.Lock()
		defer mu.Unlock()
		return append([]health.Event(nil), events...)
	}
}

// TestTenThousandEndpointsAreCheckedWithoutAHerd spreads them over the interval, from the first check on.
func TestTenThousandEndpointsAreCheckedWithoutAHerd(t *testing.T) {
	const n = 10_000
	for _, interval := range []time.Duration{time.Second, 5 * time.Second} {
		probing(t, func(t *testing.T, p *health.Prober, f *fleet) {
			begin := time.Now()
			for i := range n {
				add(t, p, health.Check{CheckInterval: interval}, fmt.Sprint("10.0.0.", i))
			}
			const rounds = 2
			time.Sleep(time.Second + rounds*interval)
			slots := make(map[time.Duration]int) // checks in each fiftieth of an interval
			for i := range n {
				times := f.times(fmt.Sprint("10.0.0.", i))
				if len(times) < rounds || times[0].Sub(begin) > time.Second+10*time.Millisecond {
					t.Fatalf("endpoint %d was checked %d times, first after %v", i, len(times), times[0].Sub(begin))
				}
				for _, at := range times {
					slots[at.Sub(begin)/(interval/50)]++
				}
			}
			for slot, checks := range slots {
				limit := 2 * n / 50
				if time.Duration(slot)*(interval/50) < 2*time.Second {
					limit = int(2 * n * interval / 50 / time.Second) // the first round is over after a second
				}
				if checks > limit {
					t.Errorf("interval %v: %d checks begin in %v from %v on", interval, checks, interval/50, slot*(interval/50))
				}
			}
		})
	}
}

// TestChecksUnderWayAreBounded has everybody silent: no more checks at once than allowed, and everybody gets his turn.
func TestChecksUnderWayAreBounded(t *testing.T) {
	probingAtMost(t, 8, func(t *testing.T, p *health.Prober, f *fleet) {
		for i := range 40 {
			f.set(fmt.Sprint(i), silent)
			add(t, p, health.Check{CheckInterval: time.Second}, fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		if n := f.most(); n > 8 {
			t.Errorf("%d checks at once", n)
		}
		least, most := 1000, 0
		for i := range 40 {
			n := len(f.times(fmt.Sprint(i)))
			least, most = min(least, n), max(most, n)
		}
		if least < 7 || most-least > 2 { // 6 at a time for a second each: a round in 7 seconds
			t.Errorf("%d to %d checks each in a minute", least, most)
		}
	})
}

// TestSilentEndpointsDoNotKeepOthersWaiting is about a zone that goes dark: the others are checked as before.
func TestSilentEndpointsDoNotKeepOthersWaiting(t *testing.T) {
	probingAtMost(t, 8, func(t *testing.T, p *health.Prober, f *fleet) {
		for i := range 40 {
			f.set(fmt.Sprint("dark", i), silent)
			add(t, p, health.Check{CheckInterval: time.Second}, fmt.Sprint("dark", i))
		}
		for i := range 10 {
			add(t, p, health.Check{CheckInterval: time.Second}, fmt.Sprint("well", i))
		}
		time.Sleep(20 * time.Second) // past the first round, where nobody knows who is silent
		begin := time.Now()
		time.Sleep(20 * time.Second)
		for i := range 10 {
			var since []time.Time
			for _, at := range f.times(fmt.Sprint("well", i)) {
				if at.After(begin) {
					since = append(since, at)
				}
			}
			if len(since) < 18 {
				t.Errorf("endpoint %d: %d checks in 20 seconds", i, len(since))
			}
		}
	})
}

// TestOneSetOfProbesForWhoAsksTheSame shares checks that differ in nothing that matters to the endpoint.
func TestOneSetOfProbesForWhoAsksTheSame(t *testing.T) {
	probing(t, func(t *testing.T, p *health.Prober, f *fleet) {
		a, ofA := add(t, p, health.Check{CheckInterval: time.Second}, "10.0.0.1:80")
		time.Sleep(10 * time.Second)
		b, ofB := add(t, p, health.Check{Type: "tcp", CheckInterval: time.Second, LogResults: true}, "10.0.0.1:80")
		if got := ofB(); len(got) != 1 || got[0].Status != health.Healthy || got[0].Changed {
			t.Errorf("who joins is told %+v; want at once what is known", got)
		}
		other, _ := add(t, p, health.Check{CheckInterval: time.Second, HealthyThreshold: 3}, "10.0.0.1:81")
		_, _ = add(t, p, health.Check{CheckInterval: time.Second, HealthyThreshold: 3}, "10.0.0.1:80")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, own := len(f.times("10.0.0.1:80")), len(f.times("10.0.0.1:81")); got < 26 || got > 34 || own < 8 {
			t.Errorf("%d checks in 20 seconds by one check and 10 by another, %d of another endpoint", got, own)
		}
		if x, y := ofA(), ofB(); len(x) < 18 || len(y) < 9 || x[len(x)-1] != y[len(y)-1] {
			t.Errorf("they were told %d and %d checks", len(x), len(y))
		}
		if x, y := a.Status(), b.Status(); x != y || x.Status != health.Healthy || x.Checks != uint64(len(ofA())) {
			t.Errorf("%+v and %+v", x, y)
		}
		a.Stop()
		a.Stop() // is no second use
		told := len(ofA())
		time.Sleep(5 * time.Second)
		if len(ofA()) != told || len(ofB()) < 14 {
			t.Errorf("after Stop: %d more checks told, and %d to the other", len(ofA())-told, len(ofB()))
		}
		b.Stop()
		other.Stop()
		asked := len(f.times("10.0.0.1:81"))
		time.Sleep(5 * time.Second)
		if n := len(f.times("10.0.0.1:81")); n != asked {
			t.Errorf("%d checks after Stop", n-asked)
		}
	})
}

// TestAProbeTellsWhatHappened reads status and history of an endpoint that dies twice.
func TestAProbeTellsWhatHappened(t *testing.T) {
	probing(t, func(t *testing.T, p *health.Prober, f *fleet) {
		probe, events := add(t, p, health.Check{CheckInterval: time.Second}, "a")
		if got := probe.Status(); got.Status != health.Unknown || got.Checks != 0 || !got.Since.IsZero() || len(probe.Last()) != 0 || got.Next.Before(time.Now()) {
			t.Errorf("before the first check: %+v, %v", got, probe.Last())
		}
		time.Sleep(10 * time.Second)
		for range 2 {
			f.set("a", refused)
			time.Sleep(10 * time.Second)
			f.set("a", nil)
			time.Sleep(10 * time.Second)
		}
		f.set("a", silent)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got, all := probe.Status(), events()
		if got.Status != health.Timeout || got.Reason != "timeout" || got.Streak > -2 || got.Flaps != 5 || got.Checks != uint64(len(all)) {
			t.Errorf("%+v after %d checks", got, len(all))
		}
		var changed time.Time
		for _, ev := range all {
			if ev.Changed {
				changed = ev.At
			}
		}
		if !got.Since.Equal(changed) {
			t.Errorf("since %v, want %v", got.Since, changed)
		}
		last := probe.Last()
		if len(last) != 5 {
			t.Fatalf("%d past checks", len(last))
		}
		for i, past := range last {
			ev := all[len(all)-5+i]
			if !past.At.Equal(ev.At) || past.OK != ev.Result.OK || past.Timeout != ev.Result.Timeout || past.Reason != ev.Result.Reason {
				t.Errorf("past check %d: %+v, want %+v", i, past, ev)
			}
		}
		time.Sleep(11 * time.Minute)
		if got := probe.Status(); got.Flaps != 0 {
			t.Errorf("%d changes in ten minutes without one", got.Flaps)
		}
	})
}

// TestStopCutsACheckShort ends one that would last, and tells nobody.
func TestStopCutsACheckShort(t *testing.T) {
	probing(t, func(t *testing.T, p *health.Prober, f *fleet) {
		f.set("a", silent)
		probe, events := add(t, p, health.Check{CheckInterval: 300 * time.Second, Timeout: 300 * time.Second}, "a")
		time.Sleep(2 * time.Second)
		probe.Stop()
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.now != 0 || len(f.asked["a"]) != 1 || len(events()) != 0 {
			t.Errorf("%d under way, %d asked, told %+v", f.now, len(f.asked["a"]), events())
		}
	})
}

func TestAProberRefusesWhatCannotBeChecked(t *testing.T) {
	p := new(health.Prober)
	for _, c := range []health.Check{{Type: "ICMP"}, {PortName: "http"}, {CheckInterval: 5 * time.Second, Timeout: 6 * time.Second}} {
		if probe, err := p.Add(c, "10.0.0.1:80", nil); err == nil || probe != nil {
			t.Errorf("%+v: %v, %v", c, probe, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := p.Run(ctx); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the second time: %v", err)
	}
}

// TestProbersOverRealSockets adds and stops from many goroutines while checks go on, for the race detector.
func TestProbersOverRealSockets(t *testing.T) {
	addr := tcpEndpoint(t, untilGone)
	p := new(health.Prober)
	ctx, cancel := context.WithCancel(t.Context())
	var running, adding sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	for range 8 {
		adding.Go(func() {
			for i := range 20 {
				told := make(chan health.Event, 1000)
				probe, err := p.Add(health.Check{CheckInterval: 10 * time.Millisecond, HealthyThreshold: 1 + i%3}, addr, func(ev health.Event) {
					select {
					case told <- ev:
					default:
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
				<-told // whatever it is: the machine may be busy
				if s := probe.Status(); s.Checks == 0 {
					t.Errorf("told of a check, and there was none: %+v", s)
				}
				probe.Last()
				probe.Stop()
			}
		})
	}
	adding.Wait()
	cancel()
	running.Wait()
}
