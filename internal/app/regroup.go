package app

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spillway-lb/spillway/config"
)

// This file is about endpoints that nobody could check when the file was: those that
// groups find for themselves.

// regroup gives s the endpoints that cfg has now. Caller holds a.mu.
func (a *App) regroup(cfg *config.Config, s *service) {
	groups, err := groupsOf(cfg, &s.spec)
	if err == nil && !reflect.DeepEqual(groups, s.groups) {
		if err = s.balancer.SetGroups(groups); err == nil {
			s.groups = groups
		}
	}
	if err != nil {
		a.log.Error("endpoints cannot be used; they stay as they are", "service", s.spec.Name, "error", err)
		return
	}
	if s.source != nil {
		s.source.SetEndpoints(addresses(cfg, &s.spec))
	}
	s.complain(a, cfg)
}

// complain logs what is wrong with endpoints that were found, when that changes, and
// keeps it for the admin API. Caller holds a.mu.
func (s *service) complain(a *App, cfg *config.Config) {
	wrong, complaints := misfits(cfg, &s.spec), []string(nil)
	s.unusable = nil
	for _, m := range wrong {
		if s.unusable == nil {
			s.unusable = make(map[string][]string)
		}
		s.unusable[m.group] = append(s.unusable[m.group], m.why)
		complaints = append(complaints, m.why)
	}
	if c := crowding(cfg, &s.spec); c != "" {
		complaints = append(complaints, c)
	}
	all := strings.Join(complaints, "\n")
	if all == s.complaints {
		return
	}
	s.complaints = all
	const most = 10
	for i, c := range complaints {
		if i == most {
			a.log.Error("and so on", "service", s.spec.Name, "more", len(complaints)-most)
			return
		}
		a.log.Error(c, "service", s.spec.Name)
	}
}

// A misfit is an endpoint of a group that a service cannot use.
type misfit struct{ group, why string }

// membersOf returns the endpoints of a service that it can use, and what is wrong with
// the others. In a file's own endpoints nothing is.
func membersOf(cfg *config.Config, s *config.Service) (members []config.Endpoint, wrong []misfit) {
	taken := make(map[string]string) // the group of an ID
	for _, e := range cfg.Endpoints(s) {
		other, twice := taken[e.ID]
		switch {
		case twice:
			wrong = append(wrong, misfit{e.Group, fmt.Sprintf("the endpoint %q of group %q is in group %q too, and is used there", e.ID, e.Group, other)})
			continue
		case !reachable(s, e.Address):
			wrong = append(wrong, misfit{e.Group, fmt.Sprintf("the endpoint %q of group %q is a unix socket, which the service cannot use", e.ID, e.Group)})
			continue
		}
		taken[e.ID] = e.Group
		members = append(members, e)
	}
	return members, wrong
}

// reachable reports whether the service can have an endpoint at that address.
func reachable(s *config.Service, addr string) bool {
	needsIP := s.Protocol == "UDP" || s.Source == "CLIENT" || s.HealthCheck != nil && s.HealthCheck.FixesPort()
	return !needsIP || !strings.HasPrefix(addr, "unix:")
}

// misfits says which endpoints a service cannot use, and why.
func misfits(cfg *config.Config, s *config.Service) []misfit {
	_, wrong := membersOf(cfg, s)
	for _, b := range s.Backends {
		g := groupOf(cfg, b.Group)
		if g == nil {
			continue
		}
		for _, e := range g.Endpoints {
			if !g.HasPort(e.Address, s.PortName) {
				wrong = append(wrong, misfit{b.Group, fmt.Sprintf("the endpoint %q of group %q has no port, and named_ports none for %q", e.Address, b.Group, s.PortName)})
			}
		}
	}
	return wrong
}

// crowding says whether a service has more endpoints than its table has room for; ""
// means that it has not.
func crowding(cfg *config.Config, s *config.Service) string {
	members, _ := membersOf(cfg, s)
	if size := s.ConsistentHash.MaglevTableSize; size > 0 && size < len(members) {
		return fmt.Sprintf("maglev_table_size: %d slots are too few for %d endpoints: some get no traffic", size, len(members))
	}
	return ""
}

func addresses(cfg *config.Config, s *config.Service) []string {
	members, _ := membersOf(cfg, s)
	addrs := make([]string, len(members))
	for i, e := range members {
		addrs[i] = e.Address
	}
	return addrs
}
