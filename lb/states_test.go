package lb_test

import (
	"net"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func TestSnapshotSaysWhenItIsReplaced(t *testing.T) {
	b := newBalancer(t, lb.Options{Endpoints: []balance.Endpoint{{ID: "a"}, {ID: "b"}}})
	s := b.Snapshot()
	select {
	case <-s.Replaced():
		t.Fatal("nothing has changed, and the snapshot says that it was replaced")
	default:
	}
	must(t, b.SetAdmin("a", lb.Drain))
	<-s.Replaced()
	if b.Snapshot() == s {
		t.Error("it said that it was replaced before it was")
	}
}

func TestSnapshotHasEachEndpointsState(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	b := newBalancer(t, lb.Options{
		Groups: []lb.Group{
			{Name: "eu-a", Endpoints: []balance.Endpoint{{ID: "a", Addr: addr}}},
			{Name: "eu-b", Endpoints: []balance.Endpoint{{ID: "b", Addr: addr}}},
		},
		Panic:       lb.PanicOpen,
		HealthCheck: &health.Check{Type: health.TypeTCP, CheckInterval: 10 * time.Millisecond},
	})
	must(t, b.SetAdmin("b", lb.Down))
	if got, want := b.Snapshot().State(0), (lb.State{Group: "eu-a"}); got != want {
		t.Errorf("before any check a is %+v, want %+v", got, want)
	}
	if got, want := b.Snapshot().State(1), (lb.State{Group: "eu-b", Admin: lb.Down, Standing: lb.IsDown}); got != want {
		t.Errorf("b is %+v, want %+v", got, want)
	}
	run(t, b)
	// Who watches wakes up for every change, also for one that picks do not see.
	for deadline := time.After(10 * time.Second); ; {
		s := b.Snapshot()
		if s.State(0).Unhealthy && s.State(1).Unhealthy {
			return
		}
		select {
		case <-s.Replaced():
		case <-deadline:
			t.Fatalf("both refuse connections, and their states are %+v and %+v", s.State(0), s.State(1))
		}
	}
}
