package config

import "slices"

// checkFailover checks backups and the failover policy (spec.md §9.3).
func (l *loader) checkFailover(path string, s *Service) {
	isBackup := func(b Backend) bool { return b.Failover }
	backup := slices.IndexFunc(s.Backends, isBackup)
	if backup >= 0 {
		key := at(path+".backend", backup) + ".failover"
		if !slices.ContainsFunc(s.Backends, func(b Backend) bool { return !b.Failover }) {
			l.errorf(key, "every backend is a backup; at least one must be a primary")
		}
		if s.HealthCheck == nil {
			l.warnf(key, "without a health_check every primary is healthy until somebody drains it")
		}
	}
	p := s.FailoverPolicy
	if p == nil {
		return
	}
	policy := path + ".failover_policy"
	const dropRule = "failover_policy, whose drop_traffic_if_unhealthy says what happens when nobody is healthy"
	if s.Panic != "" || s.PanicThreshold != 0 {
		key := path + ".panic"
		if s.Panic == "" {
			key += "_threshold"
		}
		l.errorf(key, "has no meaning beside "+dropRule)
	}
	l.checkPart(policy+".failover_ratio", p.FailoverRatio)
	if backup < 0 {
		if p.FailoverRatio != 0 {
			l.warnf(policy+".failover_ratio", "no backend has failover = true: there is nobody to fail over to")
		}
		l.onlyWith(policy+".disable_connection_drain_on_failover", p.DisableConnectionDrainOnFailover, "a backend that has failover = true")
	}
}

// checkZonalAffinity checks what zonal affinity needs (spec.md §9.4).
func (l *loader) checkZonalAffinity(path string, s *Service, c *Config) {
	z := s.NetworkPassThroughLBTrafficPolicy.ZonalAffinity
	if z == nil {
		return
	}
	path += ".network_pass_through_lb_traffic_policy.zonal_affinity"
	spillover := path + ".spillover"
	l.checkPart(path+".spillover_ratio", z.SpilloverRatio)
	if z.Spillover != "ZONAL_AFFINITY_SPILL_CROSS_ZONE" && !l.bad[spillover] {
		l.onlyWith(path+".spillover_ratio", z.SpilloverRatio != 0, `spillover = "ZONAL_AFFINITY_SPILL_CROSS_ZONE"`)
	}
	if z.Spillover == "ZONAL_AFFINITY_DISABLED" {
		return
	}
	switch {
	case !isNetwork(s.Protocol):
		l.errorf(spillover, "needs a service that speaks TCP, SSL or UDP, not %s", s.Protocol)
	case len(s.Backends) == 0:
		l.errorf(spillover, "needs a [[service.backend]]: endpoints of the service itself are in no zone")
	case c.Proxy.Zone == "":
		l.errorf(spillover, "needs to know where this proxy is: write zone in [proxy]")
	case !slices.ContainsFunc(s.Backends, func(b Backend) bool { return c.isLocal(b.Group) }):
		l.warnf(spillover, "no backend is in the zone %q of this proxy: all zones will get traffic", c.Proxy.Zone)
	}
}

// isLocal reports whether a group, or a part of it, is in the proxy's zone.
func (c *Config) isLocal(group string) bool {
	g, _ := c.group(group)
	here := Zone{Name: c.Proxy.Zone, Region: c.Proxy.Region}
	return g != nil && here.holdsSomeOf(g)
}

// checkPart is for parts of a whole. What is not a number is not one either.
func (l *loader) checkPart(path string, x float64) {
	if !(x >= 0 && x <= 1) {
		l.errorf(path, "%v is not from 0 to 1", x)
	}
}

// isNetwork reports whether a service of this protocol balances connections, not
// requests.
func isNetwork(protocol string) bool {
	return protocol == "TCP" || protocol == "SSL" || protocol == "UDP"
}
