package config

import "math"

// Subsetting limits how many endpoints of a group this proxy connects to. It is for
// fleets of proxies in front of many endpoints, where each proxy would otherwise
// keep connections to all of them. Which ones depends on the endpoints' addresses
// and on `[proxy] id`, and not on the order of the file: an endpoint that comes or
// goes changes at most one other's place. A proxy without an id has another subset
// after each restart. While fewer than half of subset_size endpoints of a subset
// can serve, it is extended, one endpoint at a time. Not with session_affinity: the
// next proxy would send the same client elsewhere. LEAST_REQUEST fits best.
type Subsetting struct {
	// CONSISTENT_HASH_SUBSETTING, or NONE to use all endpoints.
	// Default: `CONSISTENT_HASH_SUBSETTING`.
	Policy string `toml:"policy"`
	// How many endpoints of each group are used, at least 1. A group that has no
	// more is used whole. Default: `20`.
	SubsetSize int `toml:"subset_size,omitzero"`
}

var subsettingPolicies = enum{allowed: []string{"NONE", "CONSISTENT_HASH_SUBSETTING"}}

// IsOn reports whether only a part of each group is used; s may be nil.
func (s *Subsetting) IsOn() bool { return s != nil && s.Policy != "NONE" }

func (l *loader) fillSubsetting(path string, s *Subsetting) {
	orElse(&s.Policy, "CONSISTENT_HASH_SUBSETTING")
	if s.IsOn() && !l.has(path+".subset_size") {
		s.SubsetSize = 20
	}
}

// checkSubsetting checks what goes with subsetting (spec.md §6).
func (l *loader) checkSubsetting(path string, s *Service) {
	if s.Subsetting == nil {
		return
	}
	size, policy := path+".subsetting.subset_size", path+".subsetting.policy"
	if !s.Subsetting.IsOn() {
		l.onlyWith(size, l.has(size), `policy = "CONSISTENT_HASH_SUBSETTING"`)
		return
	}
	if l.bad[policy] {
		return
	}
	if !l.has(policy) {
		policy = path + ".subsetting"
	}
	if !l.bad[size] {
		l.checkRange(size, int64(s.Subsetting.SubsetSize), 1, math.MaxInt32)
	}
	if s.SessionAffinity != "NONE" && !l.bad[path+".session_affinity"] {
		l.errorf(policy, "excludes session_affinity = %q: each proxy of a fleet would keep a client on an endpoint of its own", s.SessionAffinity)
	}
	if s.LocalityLBPolicy == "ORIGINAL_DESTINATION" && !l.bad[path+".locality_lb_policy"] {
		l.errorf(policy, `excludes locality_lb_policy = "ORIGINAL_DESTINATION": clients get the endpoint that they have dialed, or none`)
	}
}
