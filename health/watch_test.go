package health_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/health"
)

// checkFunc is a Checker for bubbles, where no real socket may be.
type checkFunc func(ctx context.Context, addr string) health.Result

func (f checkFunc) Check(ctx context.Context, addr string) health.Result { return f(ctx, addr) }

func well(context.Context, string) health.Result { return health.Result{OK: true} }

// watchFor runs a watch for d of the bubble's time and returns when each check started and what was reported.
func watchFor(t *testing.T, d time.Duration, c health.Check, f checkFunc) (starts []time.Time, events []health.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	record := checkFunc(func(ctx context.Context, addr string) health.Result {
		starts = append(starts, time.Now())
		return f(ctx, addr)
	})
	err := health.WatchWith(ctx, c, record, "10.0.0.1:80", func(e health.Event) { events = append(events, e) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WatchWith returned %v, want its context's error", err)
	}
	return starts, events
}

func TestTheFirstCheckComesSoonButNotAtOnceForAll(t *testing.T) {
	for _, interval := range []time.Duration{200 * time.Millisecond, 5 * time.Second, 300 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			within := min(interval, time.Second)
			var early, late int
			for range 40 {
				begin := time.Now()
				starts, _ := watchFor(t, within, health.Check{CheckInterval: interval}, well)
				if len(starts) == 0 {
					t.Fatalf("interval %v: no check within %v", interval, within)
				}
				if starts[0].Sub(begin) < within/2 {
					early++
				} else {
					late++
				}
			}
			if early == 0 || late == 0 { // by chance once in 2^39 runs
				t.Errorf("interval %v: %d first checks in the first half, %d in the second", interval, early, late)
			}
		})
	}
}

// TestChecksKeepTheirInterval holds the distance from start to start to the interval ± 10 %, whatever a check takes.
func TestChecksKeepTheirInterval(t *testing.T) {
	for _, took := range []time.Duration{0, time.Second, 4400 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			c := health.Check{CheckInterval: 5 * time.Second}
			starts, events := watchFor(t, 20*time.Minute, c, func(context.Context, string) health.Result {
				time.Sleep(took)
				return health.Result{OK: true}
			})
			low, high, shortest, longest := 4500*time.Millisecond, 5500*time.Millisecond, time.Hour, time.Duration(0)
			for i := 1; i < len(starts); i++ {
				gap := starts[i].Sub(starts[i-1])
				shortest, longest = min(shortest, gap), max(longest, gap)
				if !starts[i].Equal(events[i-1].Next) {
					t.Errorf("check %d was announced for %v and came at %v", i, events[i-1].Next, starts[i])
				}
			}
			if len(starts) < 200 || shortest < low || longest > high {
				t.Errorf("%d checks, %v to %v apart; want %v to %v", len(starts), shortest, longest, low, high)
			}
			if longest-shortest < 500*time.Millisecond {
				t.Errorf("checks are %v to %v apart: where is the jitter?", shortest, longest)
			}
		})
	}
}

// TestChecksNeverOverlap takes longer than the shortest interval the jitter gives.
func TestChecksNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := false
		starts, _ := watchFor(t, time.Minute, health.Check{CheckInterval: time.Second}, func(ctx context.Context, _ string) health.Result {
			if running {
				t.Error("two checks at once")
			}
			running = true
			<-ctx.Done() // to the timeout, which is as long as the interval
			running = false
			return health.Result{Timeout: true}
		})
		if len(starts) < 50 {
			t.Errorf("%d checks in a minute", len(starts))
		}
	})
}

func TestACheckGetsItsTimeoutAndItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := health.Check{CheckInterval: 5 * time.Second, Timeout: 2 * time.Second}
		look := checkFunc(func(ctx context.Context, addr string) health.Result {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 2*time.Second {
				t.Errorf("the check has %v, %v; want 2s", time.Until(deadline), ok)
			}
			if addr != "10.0.0.1:80" {
				t.Errorf("address %q", addr)
			}
			return health.Result{OK: true}
		})
		health.WatchWith(ctx, c, look, "10.0.0.1:80", func(health.Event) { cancel() })
	})
}

// TestEventsTellTheStory kills and revives an endpoint and reads the reports.
func TestEventsTellTheStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := []health.Result{
			{OK: true},
			{Reason: "connection refused"},
			{Reason: "timeout after 5s", Timeout: true},
			{OK: true, Took: time.Second},
			{OK: true},
		}
		want := []string{
			"HEALTHY changed=true streak=1 reason=",
			"HEALTHY changed=false streak=-1 reason=connection refused",
			"TIMEOUT changed=true streak=-2 reason=timeout after 5s",
			"TIMEOUT changed=false streak=1 reason=timeout after 5s",
			"HEALTHY changed=true streak=2 reason=",
		}
		i := -1
		_, events := watchFor(t, time.Minute, health.Check{}, func(context.Context, string) health.Result {
			i = min(i+1, len(script)-1)
			time.Sleep(script[i].Took)
			return script[i]
		})
		for i, w := range want {
			e := events[i]
			if got := fmt.Sprintf("%v changed=%v streak=%d reason=%s", e.Status, e.Changed, e.Streak, e.Reason); got != w {
				t.Errorf("event %d: %s\n    want %s", i, got, w)
			}
			if e.Result != script[i] {
				t.Errorf("event %d: result %+v, want %+v", i, e.Result, script[i])
			}
			if i > 0 && !e.At.Equal(events[i-1].Next.Add(script[i].Took)) {
				t.Errorf("event %d at %v, want the end of the check", i, e.At)
			}
		}
	})
}

// TestADeadEndpointIsFoundInTime is the formula of the package comment, jitter included.
func TestADeadEndpointIsFoundInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		died := time.Now().Add(time.Minute)
		_, events := watchFor(t, 2*time.Minute, health.Check{}, func(ctx context.Context, _ string) health.Result {
			if time.Now().Before(died) {
				return health.Result{OK: true}
			}
			<-ctx.Done()
			return health.Result{Timeout: true}
		})
		for _, e := range events {
			if e.Status == health.Timeout {
				if took := e.At.Sub(died); took > 16*time.Second {
					t.Errorf("found out after %v", took)
				}
				return
			}
		}
		t.Error("never found out")
	})
}

// TestTheEndOfTheWatchIsNoFailure cancels in the middle of a check: it is not reported, and Watch is gone at once.
func TestTheEndOfTheWatchIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var ended time.Time
		hang := checkFunc(func(ctx context.Context, _ string) health.Result {
			cancel()
			<-ctx.Done()
			ended = time.Now()
			return health.Result{Reason: "check canceled"}
		})
		err := health.WatchWith(ctx, health.Check{}, hang, "10.0.0.1:80", func(e health.Event) { t.Errorf("reported %+v", e) })
		if !errors.Is(err, context.Canceled) || !time.Now().Equal(ended) {
			t.Errorf("returned %v, %v after the check", err, time.Since(ended))
		}
	})
}

func TestAWatchThatIsOverBeforeItBeginsChecksNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := checkFunc(func(context.Context, string) health.Result { t.Error("checked"); return health.Result{} })
	for range 50 {
		if err := health.WatchWith(ctx, health.Check{CheckInterval: 10 * time.Millisecond}, never, "10.0.0.1:80", nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("returned %v", err)
		}
	}
}

func TestReportsComeOnTheCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := goroutine()
		ctx, cancel := context.WithCancel(t.Context())
		health.WatchWith(ctx, health.Check{}, checkFunc(well), "10.0.0.1:80", func(health.Event) {
			if got := goroutine(); got != mine {
				t.Errorf("reported on %s, watched on %s", got, mine)
			}
			cancel()
		})
	})
}

// goroutine names the one it runs on, such as "goroutine 7".
func goroutine() string {
	buf := make([]byte, 64)
	name, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), " [")
	return name
}

func TestAnInvalidCheckIsRefusedAtOnce(t *testing.T) {
	bad := health.Check{Type: "ICMP"}
	for name, err := range map[string]error{
		"Watch":     health.Watch(t.Context(), bad, "10.0.0.1:80", nil),
		"WatchWith": health.WatchWith(t.Context(), bad, checkFunc(well), "10.0.0.1:80", nil),
	} {
		if err == nil || !strings.Contains(err.Error(), `unknown type "ICMP"`) {
			t.Errorf("%s returned %v", name, err)
		}
	}
}
