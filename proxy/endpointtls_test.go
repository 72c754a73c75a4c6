package proxy_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

func TestAnEndpointsHostIsWhoItHasToBe(t *testing.T) {
	for _, c := range []struct{ addr, name, want string }{
		{"web.example.com:443", "", "web.example.com"},
		{"web.example.com.:443", "", "web.example.com"},
		{"192.0.2.1:443", "", "192.0.2.1"},
		{"[2001:db8::1]:443", "", "2001:db8::1"},
		{"[fe80::1%eth0]:443", "", "fe80::1"},
		{"unix:/run/web.sock", "", ""},
		{"192.0.2.1:443", "web.example.com", "web.example.com"},
		{"unix:/run/web.sock", "web.example.com", "web.example.com"},
	} {
		s := &proxy.EndpointTLS{Name: c.name}
		if got := s.For(c.addr).ServerName; got != c.want {
			t.Errorf("%s as %q: %q, want %q", c.addr, c.name, got, c.want)
		}
	}
}

func TestAnEndpointThatMovesBeginsAnew(t *testing.T) {
	s, load := new(proxy.EndpointTLS), new(balance.Load)
	here, there := &balance.Endpoint{Addr: "a:1", Load: load}, &balance.Endpoint{Addr: "b:1", Load: load}
	first := s.Config(here)
	if s.Config(here) != first {
		t.Error("two for one endpoint: sessions would not be resumed")
	}
	if moved := s.Config(there); moved == first || moved.ServerName != "b" {
		t.Errorf("at its new address it is still %q", moved.ServerName)
	}
}
