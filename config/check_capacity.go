package config

import (
	"math"
	"slices"
	"strings"
)

// A measure is what a group's capacity is counted in: by one key for the group, or
// by another for each of its endpoints.
type measure struct{ whole, each string }

var (
	byRate       = measure{"max_rate", "max_rate_per_endpoint"}
	byConnection = measure{"max_connections", "max_connections_per_endpoint"}
	byInFlight   = measure{"max_in_flight_requests", "max_in_flight_requests_per_endpoint"}
)

func (m measure) String() string { return m.whole + " or " + m.each }

// targetKeys are a backend's keys that say how much its group can take.
var targetKeys = []string{
	byRate.whole, byRate.each, byConnection.whole, byConnection.each, byInFlight.whole, byInFlight.each,
	"max_utilization", "custom_metrics",
}

// A modeRule says which targets a balancing mode takes.
type modeRule struct {
	measure         // the zero value: none
	needed   bool   // one of its keys is
	reported string // the key of what endpoints report, or ""
}

func (r modeRule) takes(key string) bool {
	return key == r.reported || key == r.whole || key == r.each
}

// String lists the keys that the mode takes.
func (r modeRule) String() string {
	var keys []string
	if r.whole != "" {
		keys = append(keys, r.measure.String())
	}
	if r.reported != "" {
		keys = append(keys, r.reported)
	}
	if len(keys) == 0 {
		return "no target"
	}
	return strings.Join(keys, ", and ")
}

// modeRules is the table of spec.md §2.2 by what a service's protocol balances:
// requests, connections of TCP, or packets. Groups are neither instance groups
// nor network endpoint groups, so what is forbidden to one of them is allowed.
//
//	protocol     │ mode           │ takes
//	─────────────┼────────────────┼──────────────────────────────────────────────────
//	HTTP, HTTPS  │ RATE           │ one of the rates
//	             │ UTILIZATION    │ max_utilization, one of the rates, both or neither
//	             │ CUSTOM_METRICS │ custom_metrics, and perhaps one of the rates
//	             │ IN_FLIGHT      │ one of the requests in flight
//	TCP, SSL     │ CONNECTION     │ one of the connections
//	             │ UTILIZATION    │ max_utilization, one of the connections, both or neither
//	UDP          │ CONNECTION     │ nothing: the mode is a symbol
var modeRules = map[string]map[string]modeRule{
	"HTTP": {
		"RATE":           {measure: byRate, needed: true},
		"UTILIZATION":    {measure: byRate, reported: "max_utilization"},
		"CUSTOM_METRICS": {measure: byRate, reported: "custom_metrics"},
		"IN_FLIGHT":      {measure: byInFlight, needed: true},
	},
	"TCP": {
		"CONNECTION":  {measure: byConnection, needed: true},
		"UTILIZATION": {measure: byConnection, reported: "max_utilization"},
	},
	"UDP": {
		"CONNECTION": {},
	},
}

func modeRulesOf(protocol string) map[string]modeRule {
	switch protocol {
	case "SSL":
		return modeRules["TCP"]
	case "TCP", "UDP":
		return modeRules[protocol]
	}
	return modeRules["HTTP"]
}

// checkCapacity checks how much a service's groups can take (spec.md §2).
func (l *loader) checkCapacity(path string, s *Service, c *Config) {
	if l.bad[path+".protocol"] {
		return
	}
	for i := range s.Backends {
		if b, path := &s.Backends[i], at(path+".backend", i); b.BalancingMode != "" {
			l.checkMode(path, s.Protocol, b)
			l.checkRegional(path, b, c)
		} else if !l.bad[path+".balancing_mode"] {
			l.checkNoMode(path, b)
		}
	}
	l.checkModesAgree(path, s)
	l.checkScalers(path, s)
	l.checkModesFit(path, s)
}

// checkMode checks a backend's targets against its mode.
func (l *loader) checkMode(path, protocol string, b *Backend) {
	mode := path + ".balancing_mode"
	rule, ok := modeRulesOf(protocol)[b.BalancingMode]
	if !ok {
		var fit []string
		for _, m := range modes.allowed {
			if _, ok := modeRulesOf(protocol)[m]; ok {
				fit = append(fit, m)
			}
		}
		l.errorf(mode, "%s has no meaning with protocol = %q, which takes %s", b.BalancingMode, protocol, strings.Join(fit, ", "))
		return
	}
	for _, key := range targetKeys {
		if name := l.written(path, key); name != "" && !rule.takes(key) {
			l.errorf(path+"."+name, "has no meaning with balancing_mode = %q%s, which takes %s%s",
				b.BalancingMode, l.onLine(mode), rule, withUDP(protocol))
		}
	}
	whole, each := l.written(path, rule.whole), l.written(path, rule.each)
	switch {
	case whole != "" && each != "":
		l.errorf(path+"."+each, "cannot be had beside %s%s: balancing_mode = %q takes one of them",
			whole, l.onLine(path+"."+whole), b.BalancingMode)
	case whole == "" && each == "" && rule.needed:
		l.errorf(mode, "%s needs %s", b.BalancingMode, rule.measure)
	}
	l.checkTargets(path, b)
	if b.BalancingMode == "CUSTOM_METRICS" {
		l.checkBackendMetrics(path+".custom_metrics", b.CustomMetrics)
	}
	if protocol == "UDP" {
		for _, key := range []string{"capacity_scaler", "preference"} {
			l.onlyWith(path+"."+key, l.has(path+"."+key), `another protocol than "UDP", where balancing_mode = "CONNECTION" says nothing`)
		}
	}
}

func withUDP(protocol string) string {
	if protocol == "UDP" {
		return ` with protocol = "UDP"`
	}
	return ""
}

// checkNoMode refuses what would be ignored without a balancing mode.
func (l *loader) checkNoMode(path string, b *Backend) {
	for _, key := range append([]string{"capacity_scaler", "preference"}, targetKeys...) {
		if name := l.written(path, key); name != "" {
			l.errorf(path+"."+name, "only has a meaning with a balancing_mode")
		}
	}
}

// checkTargets checks the numbers. 0 is refused, for it is no target in the API,
// and a group that can take nothing is a drained one.
func (l *loader) checkTargets(path string, b *Backend) {
	for _, t := range []struct {
		key   string
		value float64
	}{
		{byRate.whole, b.MaxRate},
		{byRate.each, b.MaxRatePerEndpoint},
		{byConnection.whole, float64(b.MaxConnections)},
		{byConnection.each, float64(b.MaxConnectionsPerEndpoint)},
		{byInFlight.whole, float64(b.MaxInFlightRequests)},
		{byInFlight.each, float64(b.MaxInFlightRequestsPerEndpoint)},
	} {
		if name := l.written(path, t.key); name != "" {
			l.checkTarget(path+"."+name, t.value)
		}
	}
	if b.MaxUtilization != nil {
		l.checkMaximum(path+".max_utilization", *b.MaxUtilization, true)
	}
}

// maxTarget is the largest 32-bit integer, as in the API.
const maxTarget = math.MaxInt32

// checkTarget notes a number that is not above 0 and at most maxTarget. What is not
// a number is not that either.
func (l *loader) checkTarget(path string, x float64) {
	switch {
	case x == 0:
		l.errorf(path, "must be above 0: capacity_scaler = 0 drains a group")
	case !(x > 0 && x <= maxTarget):
		l.errorf(path, "%v is not above 0 and at most %d", x, maxTarget)
	}
}

// checkMaximum checks how high what endpoints report may go. 0 is in the API's
// range (spec.md §2.2), and rarely what is meant.
func (l *loader) checkMaximum(path string, x float64, counts bool) {
	switch {
	case !(x >= 0 && x <= 1):
		l.errorf(path, "%v is not from 0 to 1", x)
	case x == 0 && counts:
		l.warnf(path, "0: the group is always full, and gets something only where nobody else can serve; capacity_scaler = 0 drains it")
	}
}

// hasTarget reports whether the file gives a backend any target.
func (l *loader) hasTarget(path string) bool {
	return slices.ContainsFunc(targetKeys, func(key string) bool { return l.written(path, key) != "" })
}

// checkRegional refuses targets of a whole group that is several: nobody says how
// much of it each zone can take (spec.md §2.2).
func (l *loader) checkRegional(path string, b *Backend, c *Config) {
	g, i := c.group(b.Group)
	if g == nil || !g.IsRegional() {
		return
	}
	for _, m := range []measure{byRate, byConnection, byInFlight} {
		if l.written(path, m.whole) == "" {
			continue
		}
		zone := at("group", i) + ".endpoints"
		for n := range g.Endpoints {
			if g.Endpoints[n].Zone != "" {
				zone = at(zone, n) + ".zone"
				break
			}
		}
		l.errorf(path+"."+m.whole, "cannot be had for the group %q, whose endpoints have a zone%s: write %s, which counts those of each zone",
			g.Name, l.onLine(zone), m.each)
	}
}

// checkScalers checks which part of its target each group has (spec.md §2.5).
func (l *loader) checkScalers(path string, s *Service) {
	for i := range s.Backends {
		b, key := &s.Backends[i], at(path+".backend", i)+".capacity_scaler"
		if x := b.CapacityScaler; b.BalancingMode != "" && x != nil && !l.bad[key] && *x != 0 && !(*x >= minScaler && *x <= 1) {
			l.errorf(key, "%v is neither 0 nor from %v to 1", *x, minScaler)
		}
	}
	l.checkDrained(path, s)
}

// checkDrained checks that some group has any capacity. One of them is enough, be it
// a backup: a pool that is drained yields to the other.
func (l *loader) checkDrained(path string, s *Service) {
	last := ""
	for i := range s.Backends {
		if x := s.Backends[i].CapacityScaler; x == nil || *x != 0 {
			return
		}
		last = at(path+".backend", i) + ".capacity_scaler"
	}
	switch {
	case last == "" || l.bad[last]:
	case len(s.Backends) == 1:
		l.errorf(last, "0 drains the only backend of the service: nobody would get traffic")
	default:
		l.errorf(last, "is 0 for every backend of the service: nobody would get traffic")
	}
}

const minScaler = 0.1
