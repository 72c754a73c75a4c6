package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// judgeHairpin is of endpoints that are clients of their own service. A packet
// balancer sends such a client's packets back to itself, from its own address, and it
// hangs whenever it is chosen: one time in as many as there are endpoints. A proxy
// connects from an address of its own, so it works; with the client's address kept
// it would be the same again (spec.md §11.2 B3, B4).
func judgeHairpin(at place, f *Facts, c course) {
	s := c.last()
	const remedy = "give programs on the same machine a service of their own, or another way to their neighbour; endpoints that need the client's address get it from X-Forwarded-For or proxy_protocol"
	if n := s.SourceFallbacks["hairpin"]; n > 0 {
		at.of(caller(s)).find("hairpin", fmt.Sprintf("%s came from endpoints of the service itself; source = \"CLIENT\" would make their answers go past the proxy, so they were connected from the proxy's address instead", plural(n, "connection", "connections")), remedy)
		return
	}
	if who := caller(s); who != "" {
		at.of(who).note("hairpin", "it calls the service that it is an endpoint of: this works, for connections come from the proxy's own address", remedy)
	}
}

// caller returns an endpoint that is among the busiest clients. Loopback is
// everybody's address.
func caller(s *admin.ServiceStatus) string {
	if s.Sources == nil {
		return ""
	}
	for _, e := range endpoints(s) {
		at, err := netip.ParseAddrPort(e.Address)
		if err != nil || at.Addr().IsLoopback() {
			continue
		}
		for _, client := range s.Sources.Busiest {
			if client.Address == at.Addr().Unmap().String() {
				return e.ID
			}
		}
	}
	return ""
}

// judgeLoops looks for services whose endpoints are listeners of this same proxy that
// lead back to them.
func judgeLoops(r *Report, f *Facts) {
	for i := range f.last().Services {
		s := &f.last().Services[i]
		if p := f.last().Proxy; p != nil {
			judgeOwnLoops(r, f, p, s)
		}
		judgeRounds(place{r, s.Name, ""}, f)
	}
}

// judgeRounds is of requests that came round so often that they were refused. Where the
// way leads over another machine only these show it.
func judgeRounds(at place, f *Facts) {
	c := f.course(at.service)
	n := grown(c.first().Loops, c.last().Loops)
	if n == 0 || slices.ContainsFunc(at.report.Findings, func(f Finding) bool { return f.Service == at.service && f.Check == "loop" }) {
		return
	}
	at.find("loop", fmt.Sprintf("%s in %v came back for the eleventh time and got 508: an endpoint of the service leads back to it, by way of another machine or name", plural(n, "request", "requests"), round(f.window())),
		"look for the endpoint that is a balancer, or whose failures are 508, and take it out or let it lead elsewhere; Via of the request lists its way")
}

func judgeOwnLoops(r *Report, f *Facts, p *admin.ProxyStatus, s *admin.ServiceStatus) {
	goesOn := "until something breaks"
	if s.Protocol == "HTTP" {
		goesOn = "until it gets 508"
	}
	for _, e := range endpoints(s) {
		if way := f.wayBack(p, s.Name, e, nil); way != nil {
			place{r, s.Name, e.ID}.find("loop",
				fmt.Sprintf("%s is this proxy's own listener %s: what goes there comes back to service %s and goes round %s", e.Address, strings.Join(way, ", then "), s.Name, goesOn),
				"take it out of the endpoints, or let that listener lead to another service")
		}
	}
}

// wayBack returns the listeners that lead from an endpoint back to a service, nil if
// none do.
func (f *Facts) wayBack(p *admin.ProxyStatus, service string, e *admin.EndpointStatus, seen []string) []string {
	l := ownListener(p, e.Address)
	if l == nil || slices.Contains(seen, l.Name) {
		return nil
	}
	if slices.Contains(l.Services, service) {
		return []string{l.Name}
	}
	seen = append(seen, l.Name)
	for i := range f.last().Services {
		if s := &f.last().Services[i]; slices.Contains(l.Services, s.Name) {
			for _, next := range endpoints(s) {
				if way := f.wayBack(p, service, next, seen); way != nil {
					return append([]string{l.Name}, way...)
				}
			}
		}
	}
	return nil
}

// ownListener returns the listener of the proxy that has this address.
func ownListener(p *admin.ProxyStatus, addr string) *admin.ListenerStatus {
	to, err := netip.ParseAddrPort(addr)
	for i := range p.Listeners {
		l := &p.Listeners[i]
		if err != nil {
			if strings.HasPrefix(addr, "unix:") && strings.TrimPrefix(addr, "unix:") == l.Address {
				return l
			}
			continue
		}
		at, bad := netip.ParseAddrPort(l.Address)
		if bad != nil || at.Port() != to.Port() || l.Protocol == "UDP" {
			continue
		}
		if at.Addr().Unmap() == to.Addr().Unmap() || at.Addr().IsUnspecified() && isOwn(p, to.Addr().Unmap()) {
			return l
		}
	}
	return nil
}

func isOwn(p *admin.ProxyStatus, a netip.Addr) bool {
	return a.IsLoopback() || slices.Contains(p.Addresses, a.String())
}
