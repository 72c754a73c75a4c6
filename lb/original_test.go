package lb_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// Where the policy names one endpoint, nobody else will do: not for want of
// another, and not because it is full or was tried.
func TestOriginalDestinationIsNeverReplaced(t *testing.T) {
	b, err := lb.New(lb.Options{Policy: balance.OriginalDestination(), Endpoints: []balance.Endpoint{
		{Addr: "10.0.0.1:80", Max: 1}, {Addr: "10.0.0.2:80"}, {Addr: "10.0.0.3:80"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	pick := func(addr string, avoid ...*balance.Endpoint) (lb.Lease, error) {
		at, _ := netip.ParseAddrPort(addr)
		return b.Pick(context.Background(), lb.Request{Destination: at, Avoid: avoid})
	}
	first, err := pick("10.0.0.1:80")
	if err != nil || first.Endpoint.Addr != "10.0.0.1:80" {
		t.Fatalf("got %v, %v", first.Endpoint, err)
	}
	for _, c := range []struct {
		addr  string
		avoid []*balance.Endpoint
		want  error
	}{
		{"10.0.0.1:80", nil, lb.ErrSaturated},
		{"10.0.0.1:80", []*balance.Endpoint{first.Endpoint}, lb.ErrNoEndpoint},
		{"10.0.0.9:80", nil, lb.ErrNoEndpoint},
		{"10.0.0.2:443", nil, lb.ErrNoEndpoint},
		{"", nil, lb.ErrNoEndpoint}, // not redirected
	} {
		if l, err := pick(c.addr, c.avoid...); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.addr, l.Endpoint, err, c.want)
		}
	}
	// Nor because the client was somewhere else before.
	at := netip.MustParseAddrPort("10.0.0.2:80")
	if l, err := b.Pick(context.Background(), lb.Request{Destination: at, Sticky: "10.0.0.3:80"}); err != nil || l.Endpoint.Addr != at.String() {
		t.Errorf("a client of 10.0.0.3:80 that dials %v: %v, %v", at, l.Endpoint, err)
	}
	if err := b.SetAdmin("10.0.0.2:80", lb.Drain); err != nil {
		t.Fatal(err)
	}
	if l, err := pick("10.0.0.2:80"); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("a drained endpoint: %v, %v", l.Endpoint, err)
	}
	first.Done(lb.Success)
	if l, err := pick("10.0.0.1:80"); err != nil || l.Endpoint != first.Endpoint {
		t.Errorf("after the only lease ended: %v, %v", l.Endpoint, err)
	}
}
