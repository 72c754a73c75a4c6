package config

import (
	"slices"
	"strings"
)

// checkMembers checks which endpoints a service has, its own or its groups'.
func (l *loader) checkMembers(path string, s *Service, c *Config) {
	switch {
	case len(s.Endpoints) > 0 && len(s.Backends) > 0:
		l.errorf(path+".backend", "a service has endpoints or backends, not both")
	case len(s.Endpoints) == 0 && len(s.Backends) == 0:
		l.errorf(path+".endpoints", "a service needs endpoints or a [[service.backend]]")
	case len(s.Endpoints) > 0:
		l.onlyWith(path+".port_name", s.PortName != "", "a [[service.backend]]")
	}
	for i := range s.Endpoints {
		key := at(path+".endpoints", i)
		l.checkEndpoint(key, &s.Endpoints[i])
		l.onlyWith(key+".zone", s.Endpoints[i].Zone != "", "the endpoints of a [[group]]")
	}
	l.checkBackends(path, s, c)

	m := membership{
		loader: l, service: path, s: s, listens: c.listensOf(s),
		ids: map[string]member{}, addresses: map[string]string{},
	}
	c.members(path, s, m.check)
	finds := func(b Backend) bool {
		g, _ := c.group(b.Group)
		return g != nil && g.Finds()
	}
	if len(m.ids) > 0 && m.weight == 0 && !slices.ContainsFunc(s.Backends, finds) {
		l.errorf(path+".endpoints", "every endpoint has weight 0: nobody would get traffic")
	}
}

func (l *loader) checkBackends(path string, s *Service, c *Config) {
	seen := map[string]bool{}
	for i, b := range s.Backends {
		key := at(path+".backend", i) + ".group"
		g, _ := c.group(b.Group)
		switch {
		case b.Group == "":
			l.errorf(key, "is required")
		case seen[b.Group]:
			l.errorf(key, "%q is a backend of this service already", b.Group)
		case g == nil:
			if guess := nearest(b.Group, c.groupNames()); guess != "" {
				l.errorf(key, "no group is named %q; did you mean %q?", b.Group, guess)
			} else {
				l.errorf(key, "no group is named %q", b.Group)
			}
		}
		seen[b.Group] = true
	}
}

// membership checks one service's members against each other.
type membership struct {
	*loader
	service   string // its path
	s         *Service
	listens   []address         // of the listeners that use the service
	ids       map[string]member // seen so far
	addresses map[string]string // the ID that has an address
	weight    uint64
}

func (m *membership) check(e member) {
	m.weight += uint64(e.Weight)
	if m.bad[e.path] || m.bad[e.path+".address"] {
		return // what follows from a bad address is noise
	}
	if !e.resolved {
		m.noPort(e)
		return
	}
	a, err := checkEndpointAddress(e.Address)
	if err != nil {
		return // the port of a group is bad, and noted there
	}
	other, twice := m.ids[e.ID]
	switch {
	case twice && other.path == e.path: // the group is a backend twice, as is noted there
	case twice && other.Group == e.Group:
		m.errorf(e.path, "there is an endpoint %q already%s: give one of them another id", e.ID, m.onLine(other.path))
	case twice:
		m.errorf(e.via+".group", "the endpoint %q is in group %q too", e.ID, other.Group)
	default:
		m.ids[e.ID] = e
		if id, taken := m.addresses[e.Address]; taken {
			m.warnf(e.path, "%s is the endpoint %q too: it will get the traffic of both", e.Address, id)
		}
		m.addresses[e.Address] = e.ID
	}
	for _, listen := range m.listens {
		if reaches(a, listen) {
			m.errorf(e.path, "%s is a listener that uses this service: traffic would go round in a circle", e.Address)
		}
	}
	if h := m.s.HealthCheck; h != nil && h.FixesPort() && a.path != "" {
		m.errorf(m.service+".health_check."+h.portKey(), "the endpoint %q is a unix socket and has no ports", e.ID)
	}
}

// noPort says what to add so that an endpoint gets a port.
func (m *membership) noPort(e member) {
	host := e.Address
	if e.via != "" {
		host, _, _ = splitPort(e.Address)
	}
	switch {
	case e.via == "" && strings.Contains(host, ":"):
		m.errorf(e.path, "%q has no port: write [%s]:port", host, strings.Trim(host, "[]"))
	case e.via == "":
		m.errorf(e.path, "%q has no port: write host:port", host)
	case m.s.Protocol == "UDP":
		m.errorf(e.via+".group", "%q in group %q has no port, and UDP takes none by name", host, e.Group)
	case m.s.PortName == "":
		m.errorf(e.via+".group", "%q in group %q has no port, and the service has no port_name", host, e.Group)
	default:
		m.errorf(e.via+".group", "%q in group %q has no port, and the group's named_ports has no port_name %q", host, e.Group, m.s.PortName)
	}
}

// listensOf returns the addresses of the listeners that use a service.
func (c *Config) listensOf(s *Service) []address {
	var listens []address
	for _, v := range c.Listeners {
		if a, err := checkListenAddress(v.Listen); v.LeadsTo(s.Name) && err == nil {
			listens = append(listens, a)
		}
	}
	return listens
}

// LeadsTo reports whether any traffic of the listener goes to a service.
func (v *Listener) LeadsTo(service string) bool {
	return v.Service == service ||
		slices.ContainsFunc(v.Routes, func(r Route) bool { return r.Service == service })
}

// reaches reports whether dialing an endpoint surely ends at the listener.
func reaches(endpoint, listen address) bool {
	if endpoint.path != "" || listen.path != "" {
		return endpoint.path == listen.path
	}
	return endpoint.port == listen.port &&
		(sameHost(endpoint.host, listen.host) || isWildcard(listen.host) && isLoopback(endpoint.host))
}
