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
