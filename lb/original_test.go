package lb_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
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

// By spec.md §10.4 the last one that could serve is not ejected. Where the policy names
// one endpoint each is the last: nobody could stand in for it.
func TestOriginalDestinationIsNeverEjected(t *testing.T) {
	eager := &health.Outlier{ConsecutiveErrors: 1, EnforcingConsecutiveErrors: 100, MaxEjectionPercent: 100}
	list := []balance.Endpoint{{Addr: "10.0.0.1:80"}, {Addr: "10.0.0.2:80"}, {Addr: "10.0.0.3:80"}}
	zones := []lb.Group{
		{Name: "a", Zone: "a", Endpoints: list[:1], Capacity: rate(100)},
		{Name: "b", Zone: "b", Endpoints: list[1:], Capacity: rate(100)},
	}
	for name, o := range map[string]lb.Options{"one group": {Endpoints: list}, "groups with capacities": {Groups: zones}} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			o.Name, o.Outlier, o.Log = "db", eager, slog.New(slog.NewTextHandler(&log, nil))
			p := newPlay(t, o)
			fails := func() {
				t.Helper()
				for _, e := range list {
					at := netip.MustParseAddrPort(e.Addr)
					l, _ := p.one(lb.Request{Destination: at, Sticky: e.Addr})
					if l.Endpoint.Addr != e.Addr {
						t.Fatalf("%s in place of %s", l.Endpoint.Addr, e.Addr)
					}
					l.Done(lb.ConnectFailure)
				}
			}
			fails()
			p.wantOut("any one will do, and two of three may be out", "10.0.0.1:80 10.0.0.2:80")
			o.Policy = balance.OriginalDestination()
			if err := p.SetOptions(o); err != nil {
				t.Fatal(err)
			}
			p.sweeps(time.Second)
			p.wantOut("from then on nobody else will do", "")
			for range 3 {
				fails()
				p.sweeps(time.Second)
			}
			p.wantOut("each fails again and again", "")
			if !strings.Contains(log.String(), "nobody else could serve") {
				t.Errorf("the log does not say why nobody is ejected:\n%s", &log)
			}
			o.Policy = balance.RoundRobin()
			if err := p.SetOptions(o); err != nil {
				t.Fatal(err)
			}
			p.sweeps(time.Second)
			p.wantOut("any one will do again", "10.0.0.1:80 10.0.0.2:80")
		})
	}
}
