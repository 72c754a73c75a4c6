package lb_test

import (
	"context"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// removing is a balancer with a clock of its own and one lease on each of a and b.
func removing(t *testing.T) (b *lb.Balancer, pass func(time.Duration), leases map[string]lb.Lease) {
	t.Helper()
	now := time.Unix(1_000_000, 0)
	b, err := lb.New(lb.Options{
		Groups: []lb.Group{{Name: "eu", Endpoints: []balance.Endpoint{{ID: "a", Addr: "a:1"}, {ID: "b", Addr: "b:1"}}}},
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	leases = make(map[string]lb.Lease)
	for len(leases) < 2 {
		l, err := b.Pick(context.Background(), lb.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := leases[l.Endpoint.ID]; twice {
			l.Done(lb.Neutral)
			continue
		}
		leases[l.Endpoint.ID] = l
	}
	return b, func(d time.Duration) { now = now.Add(d) }, leases
}

func leave(t *testing.T, b *lb.Balancer, group string, endpoints ...balance.Endpoint) {
	t.Helper()
	if err := b.SetGroups([]lb.Group{{Name: group, Endpoints: endpoints}}); err != nil {
		t.Fatal(err)
	}
}

func TestRemovedEndpointIsListedWhileItHoldsLeases(t *testing.T) {
	b, pass, leases := removing(t)
	pass(time.Minute)
	leave(t, b, "eu", balance.Endpoint{ID: "b", Addr: "b:1"})
	pass(time.Minute)
	leave(t, b, "other", balance.Endpoint{ID: "c", Addr: "c:1"}) // a has been gone for a minute, b goes now
	got := b.Status().Removed
	if len(got) != 2 {
		t.Fatalf("%+v, want a and b", got)
	}
	for i, want := range []lb.RemovedStatus{
		{ID: "a", Addr: "a:1", Group: "eu", Since: time.Unix(1_000_060, 0), Active: 1, Load: leases["a"].Endpoint.Load},
		{ID: "b", Addr: "b:1", Group: "eu", Since: time.Unix(1_000_120, 0), Active: 1, Load: leases["b"].Endpoint.Load},
	} {
		if !got[i].Since.Equal(want.Since) {
			t.Errorf("%s is removed since %v, want %v", want.ID, got[i].Since, want.Since)
		}
		got[i].Since = want.Since
		if got[i] != want {
			t.Errorf("got %+v, want %+v", got[i], want)
		}
	}
	leases["a"].Done(lb.Success)
	if got := b.Status().Removed; len(got) != 1 || got[0].ID != "b" {
		t.Errorf("when a's last lease has ended: %+v, want b alone", got)
	}
	b.Sweep()
	leases["b"].Done(lb.Success)
	if got := b.Status().Removed; got != nil {
		t.Errorf("when all have ended: %+v", got)
	}
}

func TestRemovedEndpointThatComesBackIsNotListedAndKeepsItsCounters(t *testing.T) {
	b, _, leases := removing(t)
	leave(t, b, "eu", balance.Endpoint{ID: "b", Addr: "b:1"})
	b.Sweep()
	leave(t, b, "eu", balance.Endpoint{ID: "a", Addr: "a:2"}, balance.Endpoint{ID: "b", Addr: "b:1"})
	st := b.Status()
	if st.Removed != nil {
		t.Errorf("it is listed as removed: %+v", st.Removed)
	}
	if e := st.Groups[0].Endpoints[0]; e.ID != "a" || e.Active != 1 {
		t.Errorf("got %s with %d active, want a with the lease that it has had all the time", e.ID, e.Active)
	}
	leases["a"].Done(lb.Success)
}
