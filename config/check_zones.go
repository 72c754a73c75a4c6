package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkLBPolicy checks how traffic is spread over groups (spec.md §3).
func (l *loader) checkLBPolicy(path string, s *Service, c *Config) {
	p := s.ServiceLBPolicy
	if p == nil {
		return
	}
	if !s.HasCapacity() {
		for i := range s.Backends {
			if l.bad[at(strings.TrimSuffix(path, "service_lb_policy")+"backend", i)+".balancing_mode"] {
				return // there would be one
			}
		}
		l.onlyWith(path, true, "a backend that has a balancing_mode, of a service that does not speak UDP")
		return
	}
	threshold := path + ".failover_health_threshold"
	l.checkRange(threshold, int64(p.FailoverHealthThreshold), 1, 99)
	if s.HealthCheck == nil {
		const idle = "without a health_check every endpoint is healthy: it has no effect"
		if p.FailoverHealthThreshold != defaultThreshold && !l.bad[threshold] {
			l.warnf(threshold, idle)
		}
		if p.AutoCapacityDrain {
			l.warnf(path+".auto_capacity_drain", idle)
		}
	}
	if p.IsolationConfig != nil {
		l.checkIsolation(path+".isolation_config", s, c)
	}
}

// checkIsolation checks what isolation needs (spec.md §3.7).
func (l *loader) checkIsolation(path string, s *Service, c *Config) {
	i := s.ServiceLBPolicy.IsolationConfig
	granularity, mode := path+".isolation_granularity", path+".isolation_mode"
	switch {
	case l.bad[granularity]:
	case i.IsolationGranularity == "":
		if l.has(mode) && !l.bad[mode] {
			l.warnf(mode, `has no effect without isolation_granularity = "REGION"`)
		}
	case c.Proxy.Region == "":
		l.errorf(granularity, "needs to know where this proxy is: write region in [proxy]")
	case i.IsolationMode == "STRICT" && !slices.ContainsFunc(s.Backends, func(b Backend) bool {
		g, _ := c.group(b.Group)
		return g != nil && g.Region == c.Proxy.Region
	}):
		l.warnf(mode, "no backend is in the region %q of this proxy: STRICT refuses everything", c.Proxy.Region)
	case s.ServiceLBPolicy.LoadBalancingAlgorithm == "SPRAY_TO_WORLD":
		l.warnf(granularity, "REGION leaves load_balancing_algorithm = \"SPRAY_TO_WORLD\" a region at a time to spray to, as SPRAY_TO_REGION does")
	}
}

// checkZones checks where zones are, and how far.
func (l *loader) checkZones(c *Config) {
	type place struct{ region, name string }
	seen := map[place]string{}
	for i := range c.Zones {
		z, path := &c.Zones[i], at("zone", i)
		l.checkRequiredName(path+".name", z.Name)
		l.checkName(path+".region", z.Region)
		p := place{z.Region, z.Name}
		first, twice := seen[p]
		switch {
		case z.Name == "":
		case twice && z.Region == "":
			l.errorf(path+".name", "%q is there already%s", z.Name, l.onLine(first))
		case twice:
			l.errorf(path+".name", "%q in the region %q is there already%s", z.Name, z.Region, l.onLine(first))
		default:
			seen[p] = path + ".name"
		}
	}
	for i := range c.Groups {
		l.checkGroupZones(at("group", i), &c.Groups[i])
	}
}

// checkGroupZones checks the zones of a group's endpoints.
func (l *loader) checkGroupZones(path string, g *Group) {
	regional := g.IsRegional()
	for i := range g.Endpoints {
		e, path := &g.Endpoints[i], at(path+".endpoints", i)
		l.checkName(path+".zone", e.Zone)
		if regional && g.ZoneOf(e) == "" {
			l.errorf(path, "needs a zone, because others of the group %q have one", g.Name)
		}
	}
}

// checkZoneUse warns of zones that nobody asks for.
func (l *loader) checkZoneUse(c *Config) {
	if len(c.Zones) > 0 && !slices.ContainsFunc(c.Services, func(s Service) bool { return s.HasCapacity() }) {
		l.warnf("zone", "no service has a backend with a balancing_mode: how far zones are makes no difference")
		return
	}
	for i := range c.Zones {
		z := &c.Zones[i]
		if !slices.ContainsFunc(c.Groups, func(g Group) bool { return z.holdsSomeOf(&g) }) {
			where := strconv.Quote(z.Name)
			if z.Region != "" {
				where += fmt.Sprintf(" of the region %q", z.Region)
			}
			l.warnf(at("zone", i)+".name", "no group is in %s", where)
		}
	}
}

// holdsSomeOf reports whether endpoints of the group are in the zone. Of a group
// that lists none it is not known where else they would be.
func (z *Zone) holdsSomeOf(g *Group) bool {
	return len(g.Endpoints) == 0 && z.Holds(g.Region, g.Zone) ||
		slices.ContainsFunc(g.Endpoints, func(e Endpoint) bool { return z.Holds(g.Region, g.ZoneOf(&e)) })
}

// Holds reports whether this is the zone of that name and region. A region that is
// not given counts for every one.
func (z *Zone) Holds(region, zone string) bool {
	return z.Name == zone && (z.Region == "" || region == "" || z.Region == region)
}

// IsRegional reports whether endpoints of the group have zones of their own: then
// it is a group for each zone.
func (g *Group) IsRegional() bool {
	return slices.ContainsFunc(g.Endpoints, func(e Endpoint) bool { return e.Zone != "" })
}

// ZoneOf returns the zone of one of the group's endpoints.
func (g *Group) ZoneOf(e *Endpoint) string {
	if e.Zone != "" {
		return e.Zone
	}
	return g.Zone
}
