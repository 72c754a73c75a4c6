package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A script is a source that says one thing after the other, and the last for ever.
type script struct {
	steps []step
	asked []time.Time
}

type step struct {
	addrs string // separated by blanks
	err   error
	ttl   time.Duration
}

func (s *script) String() string { return "script" }

func (s *script) Look(context.Context) (discovery.Answer, error) {
	now := s.steps[min(len(s.asked), len(s.steps)-1)]
	s.asked = append(s.asked, time.Now())
	a := discovery.Answer{TTL: now.ttl}
	for _, addr := range strings.Fields(now.addrs) {
		a.Endpoints = append(a.Endpoints, discovery.Endpoint{Addr: addr, Weight: 1})
	}
	return a, now.err
}

func addrs(all []discovery.Endpoint) string {
	var out []string
	for _, e := range all {
		out = append(out, e.Addr)
	}
	return strings.Join(out, " ")
}

// watched plays a script for a while, and returns what Changed was told and what is
// in the log.
func watched(t *testing.T, s *script, last []discovery.Endpoint, d time.Duration) (w *discovery.Watcher, told []string, log string) {
	t.Helper()
	var b testkit.Buffer
	w = discovery.NewWatcher(discovery.Options{
		Group: "g", Source: s, Last: last, Log: testkit.Logger(&b),
		Changed: func(all []discovery.Endpoint) { told = append(told, addrs(all)) },
	})
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return w, told, b.String()
}

func TestAnAnswerIsAskedForAgainWhenItExpiresAndALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{addrs: "b:1 a:1", ttl: 10 * time.Second}, {addrs: "a:1 b:1", ttl: 10 * time.Second}, {addrs: "a:1 c:1", ttl: time.Minute}}}
		w, told, _ := watched(t, s, nil, 30*time.Second)
		if fmt.Sprint(told) != "[a:1 b:1 a:1 c:1]" {
			t.Errorf("told %q: the order of records is no change", told)
		}
		for i := 1; i < len(s.asked); i++ {
			if d := s.asked[i].Sub(s.asked[i-1]); d < 10*time.Second || d > 11*time.Second {
				t.Errorf("question %d came after %v", i, d)
			}
		}
		if w.Counters.Changed.Load() != 2 || w.Counters.Unchanged.Load() != 1 {
			t.Errorf("%d changed, %d unchanged", w.Counters.Changed.Load(), w.Counters.Unchanged.Load())
		}
	})
}

func TestProxiesThatBeganTogetherDoNotAskTogetherForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			s := &script{steps: []step{{addrs: "a:1", ttl: time.Minute}}}
			watched(t, s, nil, 70*time.Second)
			seen[s.asked[1].Sub(s.asked[0])] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 watchers waited only %d different times", len(seen))
		}
	})
}

func TestTheLastGoodAnswerIsKeptOnFailure(t *testing.T) {
	for name, err := range map[string]error{
		"failure":   errors.New("timeout"),
		"nobody":    discovery.ErrNobody,
		"no answer": nil, // good, and without endpoints
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []step{{addrs: "a:1", ttl: time.Second}, {err: err}}}
				w, told, log := watched(t, s, nil, time.Hour)
				if fmt.Sprint(told) != "[a:1]" || addrs(w.Endpoints()) != "a:1" {
					t.Errorf("told %q, knows %q", told, addrs(w.Endpoints()))
				}
				if n := strings.Count(log, "level=WARN"); n != 1 || !strings.Contains(log, "the endpoints stay as they are") {
					t.Errorf("%d warnings in an hour:\n%s", n, log)
				}
				nobody, failed := w.Counters.Nobody.Load(), w.Counters.Failed.Load()
				if (name == "failure") != (failed > 0) || (name == "failure") == (nobody > 0) {
					t.Errorf("%d failed, %d had nobody", failed, nobody)
				}
			})
		})
	}
}

func TestAfterAFailureTheWaitsDoubleUpToHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{err: errors.New("refused")}}}
		_, told, log := watched(t, s, nil, 10*time.Minute)
		if told != nil || !strings.Contains(log, "the group has no endpoints yet") {
			t.Errorf("told %q, log:\n%s", told, log)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			d := s.asked[i+1].Sub(s.asked[i])
			if d < want*time.Second || d > want*time.Second*11/10 {
				t.Errorf("wait %d was %v, want %v and up to a tenth more", i, d, want*time.Second)
			}
		}
	})
}

func TestAfterASuccessTheWaitsBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("refused")
		s := &script{steps: []step{{err: bad}, {err: bad}, {err: bad}, {addrs: "a:1", ttl: time.Minute}, {err: bad}, {addrs: "a:1", ttl: time.Hour}}}
		_, _, log := watched(t, s, nil, 5*time.Minute)
		if d := s.asked[5].Sub(s.asked[4]); d > 1100*time.Millisecond {
			t.Errorf("after a success and a failure the wait was %v", d)
		}
		if strings.Count(log, "the source answers") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestAWatcherThatReplacesAnotherBeginsWithWhatThatKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{err: errors.New("refused")}, {addrs: "a:1 b:1", ttl: time.Hour}}}
		w, told, _ := watched(t, s, []discovery.Endpoint{{Addr: "b:1", Weight: 1}, {Addr: "a:1", Weight: 1}}, time.Minute)
		if told != nil || addrs(w.Endpoints()) != "a:1 b:1" {
			t.Errorf("told %q, knows %q", told, addrs(w.Endpoints()))
		}
	})
}

// What a canceled question found is nobody's fault.
func TestTheEndOfTheWatcherIsNoFailureOfTheSource(t *testing.T) {
	var b testkit.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	w := discovery.NewWatcher(discovery.Options{Group: "g", Source: stopper{cancel}, Log: testkit.Logger(&b)})
	if err := w.Run(ctx); err != nil || b.String() != "" || w.Counters.Failed.Load() != 0 {
		t.Errorf("%v, log %q", err, b.String())
	}
}

// A stopper is asked while the watcher is told to end.
type stopper struct{ cancel context.CancelFunc }

func (s stopper) String() string { return "stopper" }

func (s stopper) Look(ctx context.Context) (discovery.Answer, error) {
	s.cancel()
	return discovery.Answer{}, ctx.Err()
}
