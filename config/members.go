package config

// Endpoints returns the endpoints of a service, its groups' merged in the order
// of the file, each with the name of its group, its zone, port and ID.
func (c *Config) Endpoints(s *Service) []Endpoint {
	var all []Endpoint
	c.members("", s, func(m member) {
		if m.resolved && !m.awaited {
			all = append(all, m.Endpoint)
		}
	})
	return all
}

// A member is an endpoint as one service sees it.
type member struct {
	Endpoint
	path     string // of the endpoint
	via      string // path of the backend it came by; "" if the service lists it
	resolved bool   // false: no port, and port_name gives none either
	awaited  bool   // it stands for those that DNS will name
}

// members calls yield for each endpoint of the service at path.
func (c *Config) members(path string, s *Service, yield func(member)) {
	for i, e := range s.Endpoints {
		yield(member{Endpoint: e, path: at(path+".endpoints", i), resolved: !lacksPort(e.Address)})
	}
	for i, b := range s.Backends {
		g, j := c.group(b.Group)
		if g == nil {
			continue
		}
		group, via := at("group", j), at(path+".backend", i)
		for n, e := range g.Endpoints {
			yield(g.member(s, member{Endpoint: e, path: at(group+".endpoints", n), via: via}))
		}
		if g.DNS != "" && len(g.Endpoints) == 0 {
			e := Endpoint{Address: g.DNS, Weight: 1}
			yield(g.member(s, member{Endpoint: e, path: group + ".dns", via: via, awaited: true}))
		}
	}
}

// member completes m, of the group, for a service.
func (g *Group) member(s *Service, m member) member {
	m.Group, m.Zone, m.resolved = g.Name, g.ZoneOf(&m.Endpoint), true
	if lacksPort(m.Address) {
		var port int
		port, m.resolved = g.NamedPorts[s.PortName]
		m.Address = withPort(m.Address, port)
	}
	orElse(&m.ID, m.Address)
	return m
}

// service returns a service and its index, nil if there is none of this name.
func (c *Config) service(name string) (*Service, int) {
	for i := range c.Services {
		if c.Services[i].Name == name {
			return &c.Services[i], i
		}
	}
	return nil, 0
}

func (c *Config) group(name string) (*Group, int) {
	for i := range c.Groups {
		if c.Groups[i].Name == name {
			return &c.Groups[i], i
		}
	}
	return nil, 0
}

func (c *Config) serviceNames() []string {
	names := make([]string, len(c.Services))
	for i := range c.Services {
		names[i] = c.Services[i].Name
	}
	return names
}

func (c *Config) groupNames() []string {
	names := make([]string, len(c.Groups))
	for i := range c.Groups {
		names[i] = c.Groups[i].Name
	}
	return names
}
