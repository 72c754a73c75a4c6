package app

import (
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/config"
)

// backendOf is how much of a service's traffic a group can take. Groups of UDP
// are never full, whatever mode they have (spec.md §2.2).
func backendOf(s *config.Service, group string) (capacity.Backend, error) {
	for i := range s.Backends {
		if b := &s.Backends[i]; b.Group == group && s.Protocol != "UDP" {
			return capacityOf(b)
		}
	}
	return capacity.Backend{}, nil
}

func capacityOf(b *config.Backend) (capacity.Backend, error) {
	mode, err := capacity.ParseMode(b.BalancingMode)
	c := capacity.Backend{
		Mode:                      mode,
		MaxRate:                   b.MaxRate,
		MaxRatePerEndpoint:        b.MaxRatePerEndpoint,
		MaxConnections:            b.MaxConnections,
		MaxConnectionsPerEndpoint: b.MaxConnectionsPerEndpoint,
		MaxInFlight:               b.MaxInFlightRequests,
		MaxInFlightPerEndpoint:    b.MaxInFlightRequestsPerEndpoint,
		Preferred:                 b.Preference == "PREFERRED",
	}
	if x := b.CapacityScaler; x != nil {
		c.Scaler, c.Drained = *x, *x == 0
	}
	if x := b.MaxUtilization; x != nil {
		c.MaxUtilization = utilizationOf(*x)
	}
	for _, m := range b.CustomMetrics {
		m.MaxUtilization = utilizationOf(m.MaxUtilization)
		c.CustomMetrics = append(c.CustomMetrics, capacity.CustomMetric(m))
	}
	return c, err
}

// utilizationOf is a maximum of the file, where 0 is not the default.
func utilizationOf(most float64) float64 {
	if most == 0 {
		return capacity.NoUtilization
	}
	return most
}

// algorithms and isolations are the file's words.
var (
	algorithms = map[string]capacity.Algorithm{
		"WATERFALL_BY_REGION": capacity.WaterfallByRegion,
		"SPRAY_TO_REGION":     capacity.SprayToRegion,
		"WATERFALL_BY_ZONE":   capacity.WaterfallByZone,
		"SPRAY_TO_WORLD":      capacity.SprayToWorld,
	}
	isolations = map[string]capacity.Isolation{
		"NEAREST": capacity.Nearest,
		"STRICT":  capacity.Strict,
	}
)

func servicePolicyOf(s *config.Service) capacity.ServicePolicy {
	p := s.ServiceLBPolicy
	if p == nil {
		return capacity.ServicePolicy{}
	}
	policy := capacity.ServicePolicy{
		Algorithm:               algorithms[p.LoadBalancingAlgorithm],
		AutoDrain:               p.AutoCapacityDrain,
		FailoverHealthThreshold: p.FailoverHealthThreshold,
	}
	if i := p.IsolationConfig; i != nil && i.IsolationGranularity == "REGION" {
		policy.Isolation = isolations[i.IsolationMode]
	}
	return policy
}

func hereOf(cfg *config.Config) capacity.Place {
	return capacity.Place{Region: cfg.Proxy.Region, Zone: cfg.Proxy.Zone}
}

// zonesOf lists the zones of the service's groups, named as the groups name them,
// whose distance the file has. A section that says its region comes before one
// that does not.
func zonesOf(cfg *config.Config, s *config.Service) []capacity.Zone {
	var zones []capacity.Zone
	seen := make(map[capacity.Place]bool)
	for i := range s.Backends {
		for _, g := range localities(cfg, s.Backends[i].Group) {
			if seen[g.Place] {
				continue
			}
			seen[g.Place] = true
			if rtt := rttOf(cfg, g.Place); rtt != nil {
				zones = append(zones, capacity.Zone{Place: g.Place, RTT: time.Duration(*rtt)})
			}
		}
	}
	return zones
}

func rttOf(cfg *config.Config, p capacity.Place) *config.Duration {
	var found *config.Zone
	for i := range cfg.Zones {
		if z := &cfg.Zones[i]; z.Holds(p.Region, p.Zone) && (found == nil || found.Region == "") {
			found = z
		}
	}
	if found == nil {
		return nil
	}
	return found.RTT
}

// A locality is a group, or the part of it that is in one zone.
type locality struct {
	capacity.Place
	name string
}

// localityOf returns which locality of a group an endpoint in that zone is in. A
// group of several zones is one locality for each (spec.md §0), which is called by
// its zone, too.
func localityOf(g *config.Group, zone string) locality {
	l := locality{capacity.Place{Region: g.Region, Zone: zone}, g.Name}
	if g.IsRegional() {
		l.name += "/" + zone
	}
	return l
}

// localities lists those of the group of that name, in the order of the file.
func localities(cfg *config.Config, group string) []locality {
	g := groupOf(cfg, group)
	if g == nil {
		return nil
	}
	if !g.IsRegional() {
		return []locality{localityOf(g, g.Zone)}
	}
	var all []locality
	seen := make(map[string]bool)
	for i := range g.Endpoints {
		if zone := g.ZoneOf(&g.Endpoints[i]); !seen[zone] {
			seen[zone] = true
			all = append(all, localityOf(g, zone))
		}
	}
	return all
}

func groupOf(cfg *config.Config, name string) *config.Group {
	for i := range cfg.Groups {
		if g := &cfg.Groups[i]; g.Name == name {
			return g
		}
	}
	return nil
}
