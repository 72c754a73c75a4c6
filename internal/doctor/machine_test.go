package doctor_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/doctor"
)

func TestProxiesHaveFindings(t *testing.T) {
	number := func(n uint64) *uint64 { return &n }
	for _, c := range []struct {
		name            string
		change          func(first, last *admin.ProxyStatus)
		findings, notes string
		says            []string
	}{
		{"well", func(_, last *admin.ProxyStatus) {
			last.Descriptors = &admin.DescriptorStatus{Open: 79, Limit: 100}
			last.Ports = &admin.PortStatus{Low: 1, High: 100, Towards: []admin.PortUse{{From: "a", To: "b", Used: 69}}}
		}, "", "", nil},
		{"descriptors", func(_, last *admin.ProxyStatus) {
			last.Descriptors = &admin.DescriptorStatus{Open: 80, Limit: 100}
		}, "descriptors", "", []string{"80 of 100", "80.0 %"}},
		{"ports", func(_, last *admin.ProxyStatus) {
			last.Ports = &admin.PortStatus{Low: 1, High: 100, Towards: []admin.PortUse{{From: "10.0.0.1", To: "10.0.0.2:80", Used: 70}}}
		}, "ephemeral-ports", "", []string{"70 of 100 ports (1 to 100) from 10.0.0.1 to 10.0.0.2:80"}},
		{"draining", func(_, last *admin.ProxyStatus) { last.Draining = true }, "", "draining", nil},
		{"a full queue", func(_, last *admin.ProxyStatus) {
			last.QueueMax, last.Listeners[0].Waiting = 128, 128
		}, "backlog", "", []string{"up to 128 connections waited", "somaxconn"}},
		{"overflows of somebody's", func(first, last *admin.ProxyStatus) {
			first.QueueOverflows, last.QueueOverflows = number(5), number(9)
		}, "", "backlog", []string{"4 connections found no room"}},
		{"overflows of somebody's, while a few wait", func(first, last *admin.ProxyStatus) {
			first.QueueOverflows, last.QueueOverflows = number(5), number(9)
			last.QueueMax, last.Listeners[0].Waiting = 4096, 3
		}, "", "backlog", []string{"4 connections found no room", "at most 3 wait"}},
		{"overflows of ours", func(first, last *admin.ProxyStatus) {
			first.QueueOverflows, last.QueueOverflows = number(5), number(9)
			last.QueueMax, last.Listeners[0].Waiting = 128, 100
		}, "backlog", "", []string{"4 found no room"}},
		{"as many clients as it may", func(first, last *admin.ProxyStatus) {
			for _, p := range []*admin.ProxyStatus{first, last} {
				p.Listeners[0].MaxConnections, p.Listeners[0].Connections, p.Listeners[0].Waiting = 10, 10, 3
			}
		}, "backlog", "", []string{"raise max_connections of listener in"}},
		{"as many clients as it may, and nobody waits", func(_, last *admin.ProxyStatus) {
			last.Listeners[0].MaxConnections, last.Listeners[0].Connections = 10, 10
		}, "", "", nil},
		{"datagrams", func(first, last *admin.ProxyStatus) {
			first.Listeners[0].Drops = map[string]uint64{"stray": 100, "no_port": 1, "new_reason": 0}
			last.Listeners[0].Drops = map[string]uint64{"stray": 150, "no_port": 1, "new_reason": 100}
		}, "udp/stray", "", []string{"listener in did not pass on 50 datagrams in 10s", "raise timeout"}},
		{"a stray or two", func(first, last *admin.ProxyStatus) {
			last.Listeners[0].Drops = map[string]uint64{"stray": 2}
		}, "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := watched(web(well("a", 1, 0)), web(well("a", 1, 0)))
			for i := range f.Readings {
				f.Readings[i].Proxy = &admin.ProxyStatus{Listeners: []admin.ListenerStatus{{Name: "in", Address: "10.0.0.1:80"}}}
			}
			c.change(f.Readings[0].Proxy, f.Readings[1].Proxy)
			r := doctor.Judge(f)
			if got := names(r.Findings); got != c.findings {
				t.Errorf("found %q, want %q", got, c.findings)
			}
			if got := names(r.Notes); got != c.notes {
				t.Errorf("noted %q, want %q", got, c.notes)
			}
			says(t, append(r.Findings, r.Notes...), c.says...)
		})
	}
}

func TestAProxyThatDoesNotTellIsNoted(t *testing.T) {
	f := watched(web(well("a", 1, 0)), web(well("a", 1, 0)))
	f.Readings[0].Proxy, f.Readings[1].Proxy = nil, nil
	f.File = fileWith(t, "")
	if r := doctor.Judge(f); names(r.Findings) != "" || names(r.Notes) != "proxy" {
		t.Errorf("found %q, noted %q", names(r.Findings), names(r.Notes))
	}
}

func TestAFileThatIsNotInForceIsFound(t *testing.T) {
	f := watched(web(well("b", 1, 0)), web(well("b", 1, 0)))
	f.File = fileWith(t, "locality_lb_policy = \"MAGLEV\"\n")
	f.Readings[1].Proxy.Config = "sha256:another"
	f.Readings[1].Proxy.Loaded = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	r := doctor.Judge(f)
	if got := names(r.Findings); got != "config" {
		t.Errorf("found %q", got)
	}
	says(t, r.Findings, "since 2030-01-01 12:00:00", "listener :80 is not open", "service web has no endpoint a", "runs with ROUND_ROBIN instead of MAGLEV", "spillway reload")
}

func TestLoopsAreFoundThroughListeners(t *testing.T) {
	service := func(name string, addrs ...string) admin.ServiceStatus {
		s := web()
		s.Name = name
		for _, a := range addrs {
			e := well(a, 1, 0)
			e.Address = a
			s.Groups[0].Endpoints = append(s.Groups[0].Endpoints, e)
		}
		return s
	}
	for _, c := range []struct {
		name     string
		services []admin.ServiceStatus
		findings string
	}{
		{"none", []admin.ServiceStatus{service("web", "10.0.0.9:8080")}, ""},
		{"to itself", []admin.ServiceStatus{service("web", "10.0.0.1:8080")}, "loop 10.0.0.1:8080"},
		{"to itself over loopback", []admin.ServiceStatus{service("web", "127.0.0.1:8080")}, "loop 127.0.0.1:8080"},
		{"by a socket", []admin.ServiceStatus{service("inner", "unix:/run/in.sock")}, "loop unix:/run/in.sock"},
		{"through another", []admin.ServiceStatus{service("web", "10.0.0.1:8081"), service("inner", "10.0.0.1:8080")}, "loop 10.0.0.1:8080, loop 10.0.0.1:8081"},
		{"one after the other", []admin.ServiceStatus{service("web", "10.0.0.1:8081"), service("inner", "10.0.0.9:80")}, ""},
		{"another machine's port", []admin.ServiceStatus{service("web", "10.0.0.2:8080")}, ""},
		{"a name", []admin.ServiceStatus{service("web", "proxy.internal:8080")}, ""},
		{"datagrams", []admin.ServiceStatus{service("web", "10.0.0.1:8082")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := doctor.Judge(&doctor.Facts{Readings: []doctor.Reading{{Services: c.services, Proxy: &admin.ProxyStatus{
				Addresses: []string{"10.0.0.1", "127.0.0.1"},
				Listeners: []admin.ListenerStatus{
					{Name: "outer", Address: "[::]:8080", Services: []string{"web"}},
					{Name: "inner", Address: "10.0.0.1:8081", Services: []string{"inner"}},
					{Name: "datagrams", Address: "10.0.0.1:8082", Protocol: "UDP", Services: []string{"web"}},
					{Name: "socket", Address: "/run/in.sock", Services: []string{"inner"}},
				},
			}}}})
			if got := names(r.Findings); got != c.findings {
				t.Errorf("found %q, want %q", got, c.findings)
			}
		})
	}
}
