package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

// A carrier is one by what it does.
type carrier func(*proxy.Census)

func (f carrier) Survey(c *proxy.Census) { f(c) }

func TestCensusAddsUpWhatAllCarriersHave(t *testing.T) {
	a, b, other := proxy.Place{Load: new(balance.Load), Addr: "a:1"}, proxy.Place{Load: new(balance.Load), Addr: "b:1"}, proxy.Place{Addr: "c:1"}
	moved := proxy.Place{Load: a.Load, Addr: "a:2"}
	at := time.Unix(1000, 0)
	got := proxy.TakeCensus([]proxy.Carrier{
		carrier(func(c *proxy.Census) { c.Add(a, at.Add(time.Second), 3); c.Add(other, at, 1); c.Add(moved, at, 1) }),
		carrier(func(c *proxy.Census) {
			answered := c.Expect()
			go func() { defer answered(); c.Add(a, at, 4); c.Add(a, at.Add(time.Minute), -1) }()
		}),
	}, []proxy.Place{a, b}, time.Hour)
	if want := (proxy.Burden{Connections: 3, Bytes: 7, Oldest: at}); got[a] != want {
		t.Errorf("on a %+v, want %+v", got[a], want)
	}
	if got[b] != (proxy.Burden{}) || len(got) != 2 {
		t.Errorf("got %+v, want nothing on b and nobody else", got)
	}
}

func TestCensusDoesNotWaitForWhoHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := proxy.Place{Addr: "a:1"}
		var late func()
		got := proxy.TakeCensus([]proxy.Carrier{carrier(func(c *proxy.Census) {
			c.Add(a, time.Now(), 1)
			answered := c.Expect()
			late = func() { c.Add(a, time.Now(), 1); answered() }
		})}, []proxy.Place{a}, time.Second)
		late()
		if got[a].Connections != 1 {
			t.Errorf("%+v", got)
		}
	})
}
