package tcp_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// who connects and returns the name of the place it reaches, and what ends the
// connection.
func (b *bench) who() (name string, end func()) {
	b.Helper()
	c := b.dial()
	got := make([]byte, 1)
	_, err := io.ReadFull(c, got)
	must(b.T, err)
	return string(got), func() { c.Close() }
}

// setupMoved has a client with a connection to a, and then so many endpoints more
// at b that the policy wants the client's next connections there.
func setupMoved(t *testing.T, d driver, sessions *proxy.Sessions, idle time.Duration) (b *bench, leave func()) {
	t.Helper()
	first, second := newPlace(t, "a"), newPlace(t, "b")
	b = setup(t, d, func(s *proxy.Service) {
		s.Affinity = affinity.Rule{Kind: affinity.ClientIP, Service: "test"}
		s.Hashes = true
		s.Sessions = sessions
		s.Tracking.IdleTimeout = idle
	}, first.addr)
	endpoints := []balance.Endpoint{{ID: "a", Addr: first.addr}}
	policy := balance.Maglev(0)
	must(t, b.service.Balancer.SetOptions(lb.Options{Endpoints: endpoints, Policy: policy}))
	name, leave := b.who()
	if name != "a" {
		t.Fatalf("the only endpoint is a, and %q answers", name)
	}
	for i := range 50 {
		endpoints = append(endpoints, balance.Endpoint{ID: fmt.Sprintf("b%d", i), Addr: second.addr})
	}
	must(t, b.service.Balancer.SetOptions(lb.Options{Endpoints: endpoints, Policy: policy}))
	return b, leave
}

func (b *bench) wantWho(want string) {
	b.Helper()
	name, end := b.who()
	end()
	if name != want {
		b.Errorf("a new connection reaches %q, want %q", name, want)
	}
}

func TestConnectionsOfASessionStayTogether(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		moved, _ := setupMoved(t, d, nil, 0)
		moved.wantWho("b") // or what follows shows nothing

		sessions := new(proxy.Sessions)
		b, leave := setupMoved(t, d, sessions, time.Hour)
		for range 3 {
			b.wantWho("a")
		}
		leave()
		eventually(t, "connections to end", func() bool { return b.engine.Active() == 0 })
		b.wantWho("a") // for an hour
		if n := sessions.Len(); n != 1 {
			t.Errorf("there are %d sessions, want one", n)
		}
	})
}

func TestSessionEndsWhenItsClientHasBeenGoneForLong(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		sessions := new(proxy.Sessions)
		b, leave := setupMoved(t, d, sessions, time.Nanosecond)
		b.wantWho("a") // by the connection that is there
		leave()
		eventually(t, "connections to end", func() bool { return b.engine.Active() == 0 })
		b.wantWho("b")
	})
}

func TestSessionGoesWhereItsEndpointTakesNothingNew(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b, _ := setupMoved(t, d, new(proxy.Sessions), time.Hour)
		must(t, b.service.Balancer.SetAdmin("a", lb.Drain))
		b.wantWho("b")
		must(t, b.service.Balancer.SetAdmin("a", lb.Ready))
		b.wantWho("b") // where the session is now
	})
}
