package config

// Endpoints returns the endpoints of a service, its groups' merged in the order
// of the file, each with the name of its group, its zone, port and ID.
func (c *Config) Endpoints(s *Service) []Endpoint {
	var all []Endpoint
	c.members("", s, func(m member) {
		if m.resolved {
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
}

// members calls yield for each endpoint of the service at path.
func (c *Config) members(path string, s *Service, yield func(member)) {
	for i, e := range s.Endpoints {
		yield(member{e, at(path+".endpoints", i), "", !lacksPort(e.Address)})
	}
	for i, b := range s.Backends {
		g, j := c.group(b.Group)
		if g == nil {
			continue
		}
		endpoints, via := at("group", j)+".endpoints", at(path+".backend", i)
		for n, e := range g.Endpoints {
			e.Group, e.Zone = g.Name, g.ZoneOf(&e)
			resolved := true
			if lacksPort(e.Address) {
				var port int
				port, resolved = g.NamedPorts[s.PortName]
				e.Address = withPort(e.Address, port)
				orElse(&e.ID, e.Address)
			}
			yield(member{e, at(endpoints, n), via, resolved})
		}
	}
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
