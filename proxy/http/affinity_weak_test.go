package http_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
)

func TestWeakAffinityReturns(t *testing.T) {
	for name, rule := range map[string]affinity.Rule{
		"HEADER_FIELD": {Kind: affinity.HeaderField, Header: "X-User"},
		"HTTP_COOKIE":  {Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "user"}},
	} {
		for policyName, policy := range map[string]balance.Policy{"MAGLEV": balance.Maglev(0), "RING_HASH": balance.RingHash(0, 0)} {
			t.Run(name+" "+policyName, func(t *testing.T) { weakAffinityReturns(t, rule, policy) })
		}
	}
}

// weakAffinityReturns: whatever befalls an endpoint and passes, its keys go and
// return, and no other key has moved meanwhile.
func weakAffinityReturns(t *testing.T, rule affinity.Rule, policy balance.Policy) {
	b := startHashing(t, drivers[0], rule)
	b.setPolicy(policy)
	const users = 60
	where := func() map[int]string {
		on, c := make(map[int]string, users), b.dial()
		for i := range users {
			_, on[i] = c.send(fmt.Sprintf("GET / HTTP/1.1\r\nHost: a\r\nX-User: u%d\r\nCookie: user=u%d\r\n\r\n", i, i)).response("GET")
		}
		return on
	}
	before := where()
	victim := before[0]
	for _, e := range []struct {
		name        string
		leave, come func() error
	}{
		{"unhealthy",
			func() error { return b.balancer.SetHealth(victim, health.Unhealthy, "down") },
			func() error { return b.balancer.SetHealth(victim, health.Healthy, "") }},
		{"drained",
			func() error { return b.balancer.SetAdmin(victim, lb.Drain) },
			func() error { return b.balancer.SetAdmin(victim, lb.Ready) }},
		{"down",
			func() error { return b.balancer.SetAdmin(victim, lb.Down) },
			func() error { return b.balancer.SetAdmin(victim, lb.Ready) }},
	} {
		if err := e.leave(); err != nil {
			t.Fatal(err)
		}
		for i, now := range where() {
			if moved := now != before[i]; moved != (before[i] == victim) {
				t.Errorf("%s: a key of endpoint %s is on %s, while %s is away", e.name, before[i], now, victim)
			}
		}
		if err := e.come(); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(where(), before) {
			t.Errorf("%s, and then back: the map is not the one before", e.name)
		}
	}
	// One that is removed takes its part of the table along; the map returns all the same.
	if err := b.balancer.SetOptions(lb.Options{Policy: policy, Endpoints: without(b.endpoints(), victim)}); err != nil {
		t.Fatal(err)
	}
	where()
	b.setPolicy(policy)
	if !maps.Equal(where(), before) {
		t.Error("removed, and then back: the map is not the one before")
	}
}
