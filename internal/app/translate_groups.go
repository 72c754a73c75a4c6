package app

import (
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

// groupsOf lists a service's endpoints by group, in the order of the file. A group
// of several zones becomes one for each; one that has found nobody yet, or nobody whom
// the service can use, is there, too.
func groupsOf(cfg *config.Config, s *config.Service) ([]lb.Group, error) {
	g := grouping{at: make(map[part]int), last: make(map[int]uint16)}
	for i := range s.Backends {
		for _, p := range partsOf(groupOf(cfg, s.Backends[i].Group)) {
			if _, err := g.of(cfg, s, p); err != nil {
				return nil, err
			}
		}
	}
	members, _ := membersOf(cfg, s)
	for i := range members {
		e := &members[i]
		at, err := g.of(cfg, s, part{e.Group, e.Zone})
		if err != nil {
			return nil, err
		}
		g.add(at, e)
	}
	return g.groups, nil
}

// A part is a group of the file, as far as it is in one zone.
type part struct{ group, zone string }

// partsOf lists those of a group, which may be nil, one as often as it has endpoints.
func partsOf(g *config.Group) []part {
	if g == nil {
		return nil
	}
	if len(g.Endpoints) == 0 {
		return []part{{g.Name, g.Zone}}
	}
	parts := make([]part, len(g.Endpoints))
	for i := range g.Endpoints {
		parts[i] = part{g.Name, g.ZoneOf(&g.Endpoints[i])}
	}
	return parts
}

// A grouping makes groups of endpoints.
type grouping struct {
	groups []lb.Group
	at     map[part]int
	last   map[int]uint16 // the priority of a group's last endpoint
}

// of returns where the group of p is, which it makes if it is not there.
func (g *grouping) of(cfg *config.Config, s *config.Service, p part) (int, error) {
	if i, ok := g.at[p]; ok {
		return i, nil
	}
	group, err := newGroup(cfg, s, p)
	i := len(g.groups)
	g.at[p], g.groups = i, append(g.groups, group)
	return i, err
}

// newGroup returns a group without its endpoints.
func newGroup(cfg *config.Config, s *config.Service, p part) (lb.Group, error) {
	g := groupOf(cfg, p.group)
	if g == nil { // the service's own
		return lb.Group{}, nil
	}
	l := localityOf(g, p.zone)
	backend, err := backendOf(s, p.group)
	return lb.Group{
		Name: l.name, Region: l.Region, Zone: l.Zone, Backup: isBackup(s, p.group), Capacity: backend,
		NamedPorts: g.NamedPorts,
	}, err
}

// add adds an endpoint to a group: to its reserves if its priority is not the first.
// Endpoints come sorted by priority.
func (g *grouping) add(i int, c *config.Endpoint) {
	e := balance.Endpoint{ID: c.ID, Addr: c.Address, Weight: c.Weight, Max: c.Max}
	group := &g.groups[i]
	isNext := len(group.Endpoints) > 0 && c.Priority != g.last[i]
	g.last[i] = c.Priority
	switch n := len(group.Reserves); {
	case isNext:
		group.Reserves = append(group.Reserves, []balance.Endpoint{e})
	case n > 0:
		group.Reserves[n-1] = append(group.Reserves[n-1], e)
	default:
		group.Endpoints = append(group.Endpoints, e)
	}
}
