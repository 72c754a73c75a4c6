package config

import (
	"net/netip"
	"runtime"
	"strings"
)

// checkSource checks what source = "CLIENT" needs.
func (l *loader) checkSource(path string, s *Service, c *Config) {
	key := path + ".source"
	if s.Source != "CLIENT" || l.bad[path+".protocol"] {
		return
	}
	switch {
	case !isNetwork(s.Protocol):
		l.errorf(key, "CLIENT needs a service that speaks TCP or UDP, not %s: connections to its endpoints are shared between clients", s.Protocol)
		return
	case runtime.GOOS != "linux":
		l.errorf(key, "CLIENT needs Linux")
	}
	l.checkAddressed(key, s, c)
	c.members(path, s, func(m member) {
		a, err := checkEndpointAddress(m.Address)
		switch {
		case err != nil:
		case a.path != "" && s.Protocol != "UDP": // which is told of sockets anyway
			l.errorf(m.path, `a unix socket has no use for the client's address, which source = "CLIENT"%s asks for`, l.onLine(key))
		case isLoopback(a.host):
			l.warnf(m.path, `%s sees the proxy's address in spite of source = "CLIENT"%s: a client's means nothing on loopback`,
				m.Address, l.onLine(key))
		}
	})
}

// checkOriginalDestination checks what the policy ORIGINAL_DESTINATION needs.
func (l *loader) checkOriginalDestination(path string, s *Service, c *Config) {
	key := path + ".locality_lb_policy"
	if s.LocalityLBPolicy != "ORIGINAL_DESTINATION" || l.bad[path+".protocol"] {
		return
	}
	switch {
	case !isNetwork(s.Protocol):
		l.errorf(key, "ORIGINAL_DESTINATION needs a service that speaks TCP, not %s", s.Protocol)
		return
	case s.Protocol == "UDP":
		l.errorf(key, "ORIGINAL_DESTINATION is "+notYet+" for UDP")
	case runtime.GOOS != "linux":
		l.errorf(key, "ORIGINAL_DESTINATION needs Linux")
	}
	l.checkAddressed(key, s, c)
	c.members(path, s, func(m member) {
		a, err := checkEndpointAddress(m.Address)
		if err != nil || m.awaited {
			return
		}
		if _, err := netip.ParseAddr(a.host); err != nil {
			l.errorf(m.path, "%s is not IP:port, so no client has dialed it: ORIGINAL_DESTINATION%s would never choose it",
				m.Address, l.onLine(key))
		}
	})
}

// checkAddressed checks that the clients of a service have addresses, and have dialed
// some, which key is about.
func (l *loader) checkAddressed(key string, s *Service, c *Config) {
	for i, v := range c.Listeners {
		if v.LeadsTo(s.Name) && strings.HasPrefix(v.Listen, unixPrefix) && !v.ProxyProtocol {
			l.errorf(key, "the clients of a unix socket, %s%s, have no address", v.Listen, l.onLine(at("listener", i)+".listen"))
		}
	}
}

// checkTransparent checks what a transparent listener needs.
func (l *loader) checkTransparent(path string, v *Listener) {
	key := path + ".transparent"
	switch {
	case !v.Transparent:
	case strings.HasPrefix(v.Listen, unixPrefix):
		l.errorf(key, "a unix socket cannot be")
	case v.Protocol == "UDP":
		l.errorf(key, "is "+notYet+" for UDP")
	case runtime.GOOS != "linux":
		l.errorf(key, "needs Linux")
	}
}
