package config

// fillRegions completes places that say their zone but not their region, by what
// others say of the zone: zones of one name are one zone, unless somebody puts
// them into different regions.
func (c *Config) fillRegions() {
	regions := map[string]string{} // by zone; "?" where it has several
	note := func(zone, region string) {
		switch known := regions[zone]; {
		case zone == "" || region == "" || known == region:
		case known == "":
			regions[zone] = region
		default:
			regions[zone] = several
		}
	}
	note(c.Proxy.Zone, c.Proxy.Region)
	for i := range c.Zones {
		note(c.Zones[i].Name, c.Zones[i].Region)
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		note(g.Zone, g.Region)
		for j := range g.Endpoints {
			note(g.Endpoints[j].Zone, g.Region)
		}
	}
	fill := func(zone string, region *string) {
		if r := regions[zone]; r != several {
			orElse(region, r)
		}
	}
	fill(c.Proxy.Zone, &c.Proxy.Region)
	for i := range c.Groups {
		fill(c.Groups[i].Zone, &c.Groups[i].Region)
	}
}

const several = "?" // no region is called so
