//go:build !race

package lb_test

import (
	"context"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

func TestPickAndDoneAllocateNothing(t *testing.T) {
	for _, name := range balance.Names() {
		policy, _ := balance.Lookup(name)
		b := newBalancer(t, lb.Options{Policy: policy, Endpoints: endpoints(100)})
		avoid := []*balance.Endpoint{pick(t, b, lb.Request{Key: 1, Keyed: true}).Endpoint}
		for what, r := range map[string]lb.Request{
			"keyed": {Key: 1, Keyed: true}, "plain": {}, "avoid": {Key: 1, Keyed: true, Avoid: avoid}, "sticky": {Sticky: "e7"},
		} {
			n := testing.AllocsPerRun(1000, func() {
				l, err := b.Pick(context.Background(), r)
				if err != nil {
					t.Fatal(err)
				}
				l.Done(lb.Success)
			})
			if n != 0 {
				t.Errorf("%s, %s: %v allocations", name, what, n)
			}
		}
	}
}

func TestPickAndDoneAllocateNothingWithCircuitBreakers(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: endpoints(100), CircuitBreakers: &lb.CircuitBreakers{MaxConnections: 3, MaxRequests: 2}})
	n := testing.AllocsPerRun(1000, func() {
		first := pick(t, b, lb.Request{})
		second := pick(t, b, lb.Request{})
		if _, err := b.Pick(context.Background(), lb.Request{}); err == nil {
			t.Fatal("three at once")
		}
		again, err := b.PickAgain(context.Background(), lb.Request{}, &second)
		if err != nil {
			t.Fatal(err)
		}
		first.Done(lb.Success)
		second.Done(lb.Failure)
		again.Done(lb.Success)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShedAllocatesNothing(t *testing.T) {
	p := tenOf(t, lb.Options{Panic: lb.PanicShed, PanicThreshold: 50}, 8)
	served, refused := 0, 0
	n := testing.AllocsPerRun(1000, func() {
		l, err := p.Pick(context.Background(), lb.Request{})
		if err != nil {
			refused++
			return
		}
		l.Done(lb.Success)
		served++
	})
	if n != 0 || served == 0 || refused == 0 {
		t.Errorf("%v allocations, with %d served and %d refused", n, served, refused)
	}
}
