package balance_test

import (
	"sync"
	"testing"

	"github.com/spillway-lb/spillway/balance"
)

func TestStreaksTellKindsOfFailuresApart(t *testing.T) {
	var l balance.Load
	is := func(what string, want balance.Streaks) {
		t.Helper()
		if got := l.Streaks(); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	is("at first", balance.Streaks{})
	l.Fail(balance.ConnectError, "refused")
	l.Fail(balance.ConnectError, "refused")
	is("two refusals", balance.Streaks{Errors: 2, Gateways: 2, Connects: 2})
	l.Fail(balance.GatewayError, "status 503")
	is("and a 503", balance.Streaks{Errors: 3, Gateways: 3})
	l.Fail(balance.ResponseError, "status 500")
	is("and a 500", balance.Streaks{Errors: 4})
	l.Connected()
	is("a connection that is made says nothing of answers", balance.Streaks{Errors: 4})
	l.Neutral()
	is("nor does a client that leaves", balance.Streaks{Errors: 4})
	l.Succeed()
	is("a success", balance.Streaks{})

	l.Fail(balance.ConnectError, "")
	l.Connected()
	is("a connection ends a streak of refusals", balance.Streaks{})
	l.Fail(balance.ConnectError, "")
	l.Forget()
	is("what is forgiven was still refused", balance.Streaks{Connects: 1})
	l.Fail(balance.GatewayError, "")
	l.Fail(balance.GatewayError, "")
	l.Restart(balance.GatewayError)
	is("one is counted anew", balance.Streaks{Errors: 2})
	l.Restart(balance.ResponseError)
	is("the other, too", balance.Streaks{})

	gateways, connects, reason := l.Faults()
	if gateways != 3 || connects != 4 || reason != "status 500" || l.Failed() != 8 || l.Neutrals() != 1 {
		t.Errorf("%d, %d, %q, failed %d, neutral %d; want 3, 4, the last reason that was given, 8, 1", gateways, connects, reason, l.Failed(), l.Neutrals())
	}
}

func TestWhoIsToldSeesEveryStreakOnce(t *testing.T) {
	const goroutines, each = 8, 500
	var l balance.Load
	var mu sync.Mutex
	seen := make(map[int]int)
	told := func(s balance.Streaks) {
		mu.Lock()
		defer mu.Unlock()
		seen[s.Errors]++
	}
	l.Notify(&told)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				l.Fail(balance.ResponseError, "status 500")
			}
		})
	}
	wg.Wait()
	for n := range goroutines * each {
		if seen[n+1] != 1 {
			t.Fatalf("a streak of %d was seen %d times", n+1, seen[n+1])
		}
	}
	l.Notify(nil)
	l.Fail(balance.ResponseError, "")
	if len(seen) != goroutines*each {
		t.Error("who is no longer to be told was told")
	}
}

func TestThePenaltyDoublesIsBoundedAndFades(t *testing.T) {
	var l balance.Load
	is := func(what string, want int64) {
		t.Helper()
		if got := l.Burden(); got != want {
			t.Errorf("%s: a burden of %d, want %d", what, got, want)
		}
	}
	for i, want := range []int64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, balance.DefaultPenalty, balance.DefaultPenalty} {
		l.Fail(balance.ResponseError, "")
		is("failures", want)
		if got := l.Streaks().Errors; got != i+1 {
			t.Errorf("a streak of %d, want %d", got, i+1)
		}
	}
	l.Acquire(0)
	is("with a lease", balance.DefaultPenalty+1)
	l.Succeed()
	l.Release()
	is("after a success", balance.DefaultPenalty/2)
	l.Fade(1000)
	is("after a second", balance.DefaultPenalty/4)
	for range 100000 {
		l.Fail(balance.ResponseError, "")
	}
	is("after very many failures, with a bound", 1000)
	if got := l.Streaks(); got != (balance.Streaks{Errors: balance.MaxStreak}) {
		t.Errorf("streaks %+v", got)
	}
	l.Fade(0)
	is("where there is to be none", 0)
	l.Fail(balance.ResponseError, "")
	is("and from then on", 0)
	for _, most := range []int64{-5, 1 << 40} {
		l.Fade(most)
		l.Fail(balance.ResponseError, "")
		is("an odd bound", min(max(most, 0), 1))
	}
}

// Which costs nothing where nothing fails.
func TestSuccessesLeaveNoTrace(t *testing.T) {
	var l balance.Load
	told := func(balance.Streaks) { t.Error("told of a success") }
	l.Notify(&told)
	if n := testing.AllocsPerRun(100, func() {
		l.Acquire(0)
		l.Succeed()
		l.Release()
		l.Fade(10)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if l.Burden() != 0 || l.Streaks() != (balance.Streaks{}) {
		t.Error("something is left")
	}
}

// A balancer that nobody sweeps lets an endpoint in again all the same.
func TestThePenaltyWearsOutByPicks(t *testing.T) {
	for _, n := range []int{2, 20} {
		c := make([]balance.Candidate, n)
		for i := range c {
			c[i] = balance.Candidate{Endpoint: &balance.Endpoint{ID: string(rune('a' + i)), Weight: 1, Load: new(balance.Load)}, Share: 1}
		}
		for range 20 {
			c[0].Load.Fail(balance.ResponseError, "")
		}
		p, got := balance.LeastRequest(2, 1)(c), 0
		for picks := range 1 << 20 {
			e := p.Pick(balance.Request{})
			if e == c[0].Endpoint && c[0].Load.Burden() == 0 {
				got = picks
				break
			}
		}
		if got == 0 || got < 100 {
			t.Errorf("of %d endpoints the one that failed is picked again after %d picks", n, got)
		}
	}
}
