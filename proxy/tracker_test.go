package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// watched is a service with a tracker, in a bubble, and leases in place of
// connections.
type watched struct {
	*lb.Balancer
	*proxy.Tracker
	start time.Time
	log   *testkit.Buffer

	mu     sync.Mutex
	leases map[string][]lb.Lease // by endpoint
	cuts   []string
	idle   []string // of which idle connections were closed, and when
}

// Cut ends the leases of doomed endpoints.
func (w *watched) Cut(doomed proxy.Doomed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, leases := range w.leases {
		for len(leases) > 0 {
			cause := doomed[proxy.PlaceOf(leases[0].Endpoint)]
			if cause == proxy.NotCut {
				break
			}
			w.cuts = append(w.cuts, fmt.Sprintf("%s: %s after %v", id, cause, time.Since(w.start)))
			leases[0].Done(lb.Neutral)
			leases = leases[1:]
		}
		w.leases[id] = leases
	}
}

func (w *watched) closeIdle(gone []proxy.Place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range gone {
		w.idle = append(w.idle, fmt.Sprintf("%s after %v", p.Addr, time.Since(w.start)))
	}
}

// connect takes a lease on every endpoint that gives one.
func (w *watched) connect(t *testing.T) {
	t.Helper()
	var avoid []*balance.Endpoint
	for {
		l, err := w.Pick(context.Background(), lb.Request{Avoid: avoid})
		if err != nil {
			return
		}
		avoid = append(avoid, l.Endpoint)
		w.mu.Lock()
		w.leases[l.Endpoint.ID] = append(w.leases[l.Endpoint.ID], l)
		w.mu.Unlock()
	}
}

// happened returns what was cut so far, in the order of time.
func (w *watched) happened() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.cuts, "\n")
}

func (w *watched) want(t *testing.T, cuts ...string) {
	t.Helper()
	if got, want := w.happened(), strings.Join(cuts, "\n"); got != want {
		t.Errorf("cut were:\n%s\nwant:\n%s", got, want)
	}
}

// inBubble runs f with a service of a and b, of which each has a connection.
func inBubble(t *testing.T, tracking proxy.Tracking, f func(t *testing.T, w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "a", Addr: "a:1"}, {ID: "b", Addr: "b:1"}}})
		if err != nil {
			t.Fatal(err)
		}
		w := &watched{Balancer: b, start: time.Now(), log: new(testkit.Buffer), leases: make(map[string][]lb.Lease)}
		w.Tracker = proxy.NewTracker(proxy.TrackerOptions{
			Service: "web", Balancer: b, Tracking: tracking,
			Cutters: func() []proxy.Cutter { return []proxy.Cutter{w} },
			Idle:    w.closeIdle,
			Log:     testkit.Logger(w.log),
		})
		w.connect(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Tracker.Run(ctx) }()
		synctest.Wait()
		f(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

var minute = proxy.Tracking{Persist: true, DrainingTimeout: time.Minute}

func TestDrainedEndpointKeepsItsConnectionsForItsTime(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Drain))
		time.Sleep(time.Minute - time.Nanosecond)
		w.want(t)
		time.Sleep(time.Nanosecond)
		w.want(t, "a: endpoint_drained after 1m0s")
		if log := w.log.String(); !strings.Contains(log, "connections cut") || !strings.Contains(log, "endpoint_drained") {
			t.Errorf("the log does not say what was cut, and why:\n%s", log)
		}
		if first := "a:1 after 0s"; !slices.Contains(w.idle, first) {
			t.Errorf("idle connections were closed: %v, want %s as well", w.idle, first)
		}
	})
}

func TestDrainIsOverWhenTheOperatorSaysSo(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Drain))
		time.Sleep(50 * time.Second)
		must(t, w.SetAdmin("a", lb.Ready))
		time.Sleep(time.Hour)
		w.want(t)
		must(t, w.SetAdmin("a", lb.Drain)) // its time begins anew
		time.Sleep(time.Hour)
		w.want(t, "a: endpoint_drained after 1h1m50s")
	})
}

func TestWithoutADrainingTimeoutConnectionsEndAtOnce(t *testing.T) {
	inBubble(t, proxy.Tracking{Persist: true}, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Drain))
		w.want(t, "a: endpoint_drained after 0s")
		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "a:1"}}))
		w.want(t, "a: endpoint_drained after 0s", "b: endpoint_removed after 0s")
	})
}

func TestRemovedEndpointIsNotForgottenWhileItHasConnections(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "b", Addr: "b:1"}}))
		time.Sleep(2 * time.Minute)
		w.want(t, "a: endpoint_removed after 1m0s")
	})
}

func TestEndpointAtAnotherAddressIsAnother(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "a:2"}, {ID: "b", Addr: "b:1", Weight: 7}}))
		synctest.Wait()
		time.Sleep(time.Second)
		w.connect(t)
		time.Sleep(time.Hour)
		w.want(t, "a: endpoint_removed after 1m0s") // once: the one at the new address lives
	})
}

func TestEndpointThatComesBackInTimeKeepsItsConnections(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		all := []balance.Endpoint{{ID: "a", Addr: "a:1"}, {ID: "b", Addr: "b:1"}}
		must(t, w.SetEndpoints(all[1:]))
		time.Sleep(30 * time.Second)
		must(t, w.SetEndpoints(all))
		time.Sleep(time.Hour)
		w.want(t)
	})
}

func TestNewRuleHoldsForWhatHappenedBefore(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Drain))
		time.Sleep(30 * time.Second)
		w.SetTracking(proxy.Tracking{Persist: true, DrainingTimeout: 10 * time.Second})
		w.want(t, "a: endpoint_drained after 30s")
		must(t, w.SetAdmin("b", lb.Drain))
		w.SetTracking(proxy.Tracking{Persist: true, DrainingTimeout: time.Hour})
		time.Sleep(time.Hour)
		w.want(t, "a: endpoint_drained after 30s", "b: endpoint_drained after 1h0m30s")
	})
}

func TestDownIsAsUnhealthy(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Down))
		time.Sleep(time.Hour)
		w.want(t)
	})
	inBubble(t, proxy.Tracking{DrainingTimeout: time.Minute}, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Down))
		w.want(t, "a: endpoint_down after 0s")
		must(t, w.SetAdmin("b", lb.Down)) // nobody is left to divert to
		time.Sleep(time.Hour)
		w.want(t, "a: endpoint_down after 0s")
		must(t, w.SetAdmin("a", lb.Ready)) // now there is
		w.want(t, "a: endpoint_down after 0s", "b: endpoint_down after 1h0m0s")
	})
}

// A connection that was being made while its endpoint was swept is found later.
func TestLateConnectionIsCutAsWell(t *testing.T) {
	inBubble(t, proxy.Tracking{Persist: true}, func(t *testing.T, w *watched) {
		var late lb.Lease
		for late.Endpoint == nil || late.Endpoint.ID != "a" {
			l, err := w.Pick(t.Context(), lb.Request{})
			must(t, err)
			if late.Endpoint != nil {
				late.Done(lb.Neutral)
			}
			late = l
		}
		must(t, w.SetAdmin("a", lb.Drain))
		w.want(t, "a: endpoint_drained after 0s")
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		w.leases["a"] = append(w.leases["a"], late) // connected at last
		w.mu.Unlock()
		time.Sleep(5 * time.Second)
		if n := late.Endpoint.Load.Active(); n != 0 {
			t.Errorf("the endpoint still has %d connections", n)
		}
		if n := strings.Count(w.log.String(), "connections cut"); n != 1 {
			t.Errorf("the log has %d lines for one drain", n)
		}
	})
}

func TestRetiredServiceDrains(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		w.Retire()
		time.Sleep(time.Minute)
		if got := w.happened(); strings.Count(got, "endpoint_removed after 1m0s") != 2 {
			t.Errorf("cut were:\n%s\nwant a and b after a minute", got)
		}
		time.Sleep(time.Hour)
	})
}

func TestTrackerOfARetiredServiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := lb.New(lb.Options{Endpoints: []balance.Endpoint{{ID: "a"}}})
		must(t, err)
		tracker := proxy.NewTracker(proxy.TrackerOptions{
			Balancer: b, Tracking: minute, Cutters: func() []proxy.Cutter { return nil },
		})
		tracker.Retire()
		start := time.Now()
		must(t, tracker.Run(t.Context()))
		if took := time.Since(start); took < time.Minute {
			t.Errorf("it ended after %v, and its connections might have gone on for a minute", took)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestIdleConnectionsToARemovedEndpointAreClosed(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		all := []balance.Endpoint{{ID: "a", Addr: "a:1"}, {ID: "b", Addr: "b:1"}}
		must(t, w.SetEndpoints(all[1:]))
		time.Sleep(200 * time.Millisecond)
		w.happened()
		w.mu.Lock()
		// At once, and again for what was under way or being connected.
		if got, want := fmt.Sprint(w.idle), "[a:1 after 0s a:1 after 50ms a:1 after 150ms]"; got != want {
			t.Errorf("closed %s, want %s", got, want)
		}
		w.idle = nil
		w.mu.Unlock()
		must(t, w.SetEndpoints(all))
		time.Sleep(time.Hour)
		if w.idle != nil {
			t.Errorf("it is back, and yet its idle connections are closed: %v", w.idle)
		}
	})
}

func TestEndpointThatMovesKeepsItsIdleConnectionsThere(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "a:2"}, {ID: "b", Addr: "b:1"}}))
		time.Sleep(time.Second)
		if w.happened(); w.idle != nil {
			t.Errorf("closed %v: idle connections are kept by Load, and that one is in use", w.idle)
		}
	})
}

func TestOperatorNeedNotWait(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		if w.CutNow("a") || w.CutNow("nobody") {
			t.Error("it says that it cuts connections to an endpoint that is in use, or unknown")
		}
		w.want(t)
		must(t, w.SetAdmin("a", lb.Drain))
		time.Sleep(time.Second)
		if !w.CutNow("a") {
			t.Error("it does not cut the connections to a drained endpoint")
		}
		w.want(t, "a: operator after 1s")
		must(t, w.SetAdmin("a", lb.Ready))
		w.connect(t)
		time.Sleep(time.Hour)
		w.want(t, "a: operator after 1s") // READY ends it

		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "a:1"}}))
		if !w.CutNow("b") {
			t.Error("it does not cut the connections to a removed endpoint")
		}
		w.want(t, "a: operator after 1s", "b: operator after 1h0m1s", "b: operator after 1h0m1s")
	})
}

func TestFatesSayWhatIsToBecomeOfConnections(t *testing.T) {
	inBubble(t, minute, func(t *testing.T, w *watched) {
		if f := w.Fates(); f != nil {
			t.Errorf("nothing has happened: %+v", f)
		}
		must(t, w.SetAdmin("a", lb.Drain))
		time.Sleep(10 * time.Second)
		must(t, w.SetEndpoints([]balance.Endpoint{{ID: "a", Addr: "a:1"}}))
		time.Sleep(time.Second)
		got := w.Fates() // not yet noted by anybody else
		if len(got) != 2 {
			t.Fatalf("%+v, want a and b", got)
		}
		for i, want := range []struct {
			id    string
			cause proxy.CutCause
			by    time.Duration
		}{{"a", proxy.EndpointDrained, time.Minute}, {"b", proxy.EndpointRemoved, 70 * time.Second}} {
			f := got[i]
			if f.ID != want.id || f.Cause != want.cause || !f.By.Equal(w.start.Add(want.by)) {
				t.Errorf("%s: %v in %v; want %s: %v in %v", f.ID, f.Cause, f.By.Sub(w.start), want.id, want.cause, want.by)
			}
		}
		if got[1].Plight.Removed.IsZero() || got[0].Addr != "a:1" {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Hour)
		if f := w.Fates(); f != nil {
			t.Errorf("nothing is left, and it lists %+v", f)
		}
	})
	inBubble(t, proxy.Tracking{Persist: true}, func(t *testing.T, w *watched) {
		must(t, w.SetAdmin("a", lb.Down))
		if got := w.Fates(); len(got) != 1 || got[0].Cause != proxy.NotCut || !got[0].By.IsZero() {
			t.Errorf("connections to one that is DOWN go on: %+v", got)
		}
	})
}
