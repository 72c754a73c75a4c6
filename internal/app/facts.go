package app

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/host"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// This file gathers what the admin API tells of the proxy as a whole, for whoever
// asks what is wrong with it.

// adminProxy is GET /api/v1/proxy. The machine is asked without a lock: its list of
// sockets may be long.
func (a *App) adminProxy() admin.ProxyStatus {
	a.mu.Lock()
	p := admin.ProxyStatus{
		ID:        a.cfg.Proxy.ID,
		Version:   a.opt.Version,
		PID:       os.Getpid(),
		Started:   a.since,
		Draining:  a.ending.Load(),
		Config:    a.cfg.Fingerprint(),
		Loaded:    a.loaded,
		Listeners: make([]admin.ListenerStatus, len(a.listeners)),
	}
	for i, l := range a.listeners {
		p.Listeners[i] = l.tell()
	}
	towards := make(map[netip.AddrPort]bool)
	for _, s := range a.services {
		for _, c := range s.balancer.Snapshot().Candidates {
			if at, err := netip.ParseAddrPort(c.Addr); err == nil {
				towards[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())] = true
			}
		}
	}
	a.mu.Unlock()
	askMachine(&p, towards)
	return p
}

// tell says what there is to know of a listener.
func (l *listener) tell() admin.ListenerStatus {
	v := admin.ListenerStatus{
		Name:           l.spec.Name,
		Address:        l.LocalAddr().String(),
		Protocol:       l.spec.Protocol,
		Connections:    l.Active(),
		MaxConnections: l.spec.MaxConnections,
	}
	lead := func(service string) {
		if service != "" && !slices.Contains(v.Services, service) {
			v.Services = append(v.Services, service)
		}
	}
	lead(l.spec.Service)
	for i := range l.spec.Routes {
		lead(l.spec.Routes[i].Service)
	}
	if l.udp != nil {
		drops := l.udp.Drops()
		v.Drops = make(map[string]uint64, len(drops))
		for i, reason := range proxy.UDPDropReasons {
			v.Drops[reason] = drops[i].Load()
		}
	}
	return v
}

// tell says what there is to know of a service's traffic.
func (s *service) tell(v *admin.Service) {
	v.Sources, v.Keys = viewSpread(s.stats.Sources.Spread()), viewSpread(s.stats.Keys.Spread())
	v.Attempts = make(map[string]uint64, len(proxy.AttemptReasons))
	for i, reason := range proxy.AttemptReasons {
		v.Attempts[reason] = s.stats.Attempts[i].Load()
	}
	v.Loops = s.stats.Loops.Load()
	v.Overflows = make(map[string]uint64, len(lb.Limits))
	for i, limit := range lb.Limits {
		v.Overflows[limit] = s.stats.Overflows[i].Load()
	}
	if s.spec.SessionAffinity != "NONE" {
		v.AffinityResults = s.affinityResults()
	}
	if s.spec.Source != "CLIENT" {
		return
	}
	v.SourceFallbacks = make(map[string]uint64, len(proxy.SourceFallbacks))
	for i, reason := range proxy.SourceFallbacks {
		v.SourceFallbacks[reason] = s.stats.SourceFallbacks[i].Load()
	}
}

// affinityResults are those that engines count.
func (s *service) affinityResults() map[string]uint64 {
	all := map[string]uint64{"keyed": s.stats.AffinityHit.Load(), "unkeyed": s.stats.AffinityMiss.Load()}
	for i, result := range proxy.CookieResults {
		all[result] = s.stats.Cookies[i].Load()
	}
	return all
}

// viewSpread is nil where nothing is known.
func viewSpread(s proxy.Spread) *admin.SpreadStatus {
	if s.Flows == 0 {
		return nil
	}
	v := &admin.SpreadStatus{Flows: s.Flows, Effective: s.Effective}
	for i, t := range s.Top {
		if i == 0 {
			v.TopShare = t.Share
		}
		if t.Addr.IsValid() {
			v.Busiest = append(v.Busiest, admin.SourceStatus{Address: t.Addr.Unmap().String(), Share: t.Share})
		}
	}
	if len(v.Busiest) > 0 {
		v.Top = v.Busiest[0].Address
	}
	return v
}

// mostTowards bounds the list of ports in use.
const mostTowards = 20

// askMachine fills in what the kernel says, where it says it. towards are the
// addresses of endpoints.
func askMachine(p *admin.ProxyStatus, towards map[netip.AddrPort]bool) {
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				p.Addresses = append(p.Addresses, prefix.Addr().String())
			}
		}
	}
	if open, limit, err := host.Descriptors(); err == nil {
		p.Descriptors = &admin.DescriptorStatus{Open: open, Limit: limit}
	}
	if n, err := host.Overflows(); err == nil {
		p.QueueOverflows = &n
	}
	p.QueueMax, _ = host.MaxQueue()
	low, high, err := host.Ports()
	if err != nil {
		return
	}
	p.Ports = &admin.PortStatus{Low: low, High: high}
	type path struct {
		from netip.Addr
		to   netip.AddrPort
	}
	used := make(map[path]int)
	_ = host.Sockets(func(s host.Socket) {
		if s.Listens {
			noteWaiting(p.Listeners, s)
		} else if towards[s.Remote] {
			used[path{s.Local.Addr(), s.Remote}]++
		}
	})
	for at, n := range used {
		p.Ports.Towards = append(p.Ports.Towards, admin.PortUse{From: at.from.String(), To: at.to.String(), Used: n})
	}
	slices.SortFunc(p.Ports.Towards, func(a, b admin.PortUse) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
	p.Ports.Towards = p.Ports.Towards[:min(len(p.Ports.Towards), mostTowards)]
}

// noteWaiting adds what waits on a listening socket to its listener, which may have
// several: one for each event loop.
func noteWaiting(listeners []admin.ListenerStatus, s host.Socket) {
	for i := range listeners {
		if at, err := netip.ParseAddrPort(listeners[i].Address); err == nil && at.Port() == s.Local.Port() &&
			(at.Addr().Unmap() == s.Local.Addr() || at.Addr().IsUnspecified() && s.Local.Addr().IsUnspecified()) {
			listeners[i].Waiting += s.Waiting
		}
	}
}
