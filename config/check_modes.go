package config

import "strings"

// checkModesAgree checks that a service's groups can be compared: all have a mode
// or none has, and their capacities are in one unit.
func (l *loader) checkModesAgree(path string, s *Service) {
	first := -1 // the first with a mode
	for i := range s.Backends {
		mode := s.Backends[i].BalancingMode
		if mode == "" && l.bad[at(path+".backend", i)+".balancing_mode"] {
			return // nobody knows what was meant
		}
		if _, fits := modeRulesOf(s.Protocol)[mode]; fits && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return
	}
	a := &s.Backends[first]
	for i := range s.Backends {
		b, key := &s.Backends[i], at(path+".backend", i)+".balancing_mode"
		line := l.onLine(at(path+".backend", first) + ".balancing_mode")
		switch {
		case b.BalancingMode == "":
			l.errorf(key, "is required, because the backend %q has balancing_mode = %q%s: all backends of a service have one, or none has",
				a.Group, a.BalancingMode, line)
		case unitOf(a.BalancingMode) != unitOf(b.BalancingMode):
			// Of a mode that does not fit the protocol, that has been said.
			l.errorf(key, "%s cannot be compared with balancing_mode = %q of the backend %q%s",
				b.BalancingMode, a.BalancingMode, a.Group, line)
		}
	}
}

// unitOf returns what capacities of a mode are weighed in. What endpoints report
// becomes a rate.
func unitOf(mode string) string {
	switch mode {
	case "CONNECTION", "IN_FLIGHT":
		return mode
	}
	return "per second"
}

// checkModesFit checks balancing modes against the rest of the service.
func (l *loader) checkModesFit(path string, s *Service) {
	for i := range s.Backends {
		b, key := &s.Backends[i], at(path+".backend", i)+".balancing_mode"
		switch {
		case b.BalancingMode == "":
		case s.LocalityLBPolicy == "ORIGINAL_DESTINATION":
			l.errorf(key, "has no meaning with locality_lb_policy = \"ORIGINAL_DESTINATION\"%s: the client has chosen",
				l.onLine(path+".locality_lb_policy"))
		case b.BalancingMode == "UTILIZATION" && s.SessionAffinity != "NONE" && !s.IsStrong():
			l.warnf(key, "UTILIZATION makes it hard to say when a group is full, and then session_affinity = %q%s is broken",
				s.SessionAffinity, l.onLine(path+".session_affinity"))
		}
	}
}

// checkSharedGroups checks the modes of a group that several services use
// (spec.md §2.7): who goes by what endpoints report would take the others' traffic
// for its own.
func (l *loader) checkSharedGroups(c *Config) {
	type use struct {
		service, mode, path string
	}
	uses := map[string][]use{}
	for i := range c.Services {
		s := &c.Services[i]
		for j := range s.Backends {
			b, path := &s.Backends[j], at(at("service", i)+".backend", j)
			mode := b.BalancingMode
			if mode == "" && s.Protocol == "UDP" {
				mode = "CONNECTION" // as it is whether it says so or not
			}
			if mode == "" || l.bad[path+".balancing_mode"] {
				continue
			}
			for _, other := range uses[b.Group] {
				if other.service != s.Name && !compatible(mode, other.mode) {
					l.errorf(path+".balancing_mode", "%s of the service %q cannot be had for the group %q beside %s of the service %q%s",
						mode, s.Name, b.Group, other.mode, other.service, l.onLine(other.path))
					break
				}
			}
			uses[b.Group] = append(uses[b.Group], use{s.Name, mode, path + ".balancing_mode"})
		}
	}
}

// compatible reports whether two services may use one group with these modes. One
// that is reported goes with itself only.
func compatible(a, b string) bool {
	return a == b || !isReported(a) && !isReported(b)
}

func isReported(mode string) bool { return mode == "UTILIZATION" || mode == "CUSTOM_METRICS" }

func (l *loader) checkBackendMetrics(path string, metrics []BackendMetric) {
	names := map[string]string{}
	counts := len(metrics) == 0 && l.bad[path]
	for i := range metrics {
		m, path := &metrics[i], at(path, i)
		l.checkMetricName(path, m.Name, names)
		l.checkMaximum(path+".max_utilization", m.MaxUtilization, !m.DryRun)
		counts = counts || !m.DryRun
	}
	switch {
	case len(metrics) == 0 && !counts:
		l.errorf(strings.TrimSuffix(path, "custom_metrics")+"balancing_mode", "CUSTOM_METRICS needs custom_metrics")
	case !counts:
		l.errorf(path, "every metric has dry_run = true: at least one must count")
	}
}

// checkCustomMetrics checks the metrics that choose an endpoint (spec.md §4.9).
func (l *loader) checkCustomMetrics(path string, s *Service) {
	if len(s.CustomMetrics) == 0 {
		return
	}
	policy := strings.TrimSuffix(path, "custom_metrics") + "locality_lb_policy"
	if s.LocalityLBPolicy != "WEIGHTED_ROUND_ROBIN" && !l.bad[policy] {
		l.onlyWith(path, true, `locality_lb_policy = "WEIGHTED_ROUND_ROBIN"`)
		return
	}
	names := map[string]string{}
	counts := false
	for i := range s.CustomMetrics {
		m := &s.CustomMetrics[i]
		l.checkMetricName(at(path, i), m.Name, names)
		counts = counts || !m.DryRun
	}
	if !counts {
		l.errorf(path, "every metric has dry_run = true: at least one must count")
	}
}

// namedMetrics begins the names of metrics of the endpoints' own.
const namedMetrics = "orca.named_metrics."

// checkMetricName checks the metric at path, and that none of seen has its name.
func (l *loader) checkMetricName(path, name string, seen map[string]string) {
	key := path + ".name"
	first, twice := seen[name]
	switch {
	case name == "":
		l.errorf(key, "is required")
	case !isMetricName(name):
		l.errorf(key, `%q is none of orca.cpu_utilization, orca.mem_utilization, orca.application_utilization and %sNAME, `+
			`at most 64 bytes, where NAME is lower-case letters, digits, "-", "_" and ".", and ends with a letter or digit`, name, namedMetrics)
	case twice:
		l.errorf(key, "%q is there already%s", name, l.onLine(first))
	default:
		seen[name] = key
	}
}

// isMetricName is the rule of spec.md §2.6 for metrics that there are.
func isMetricName(name string) bool {
	switch name {
	case "orca.cpu_utilization", "orca.mem_utilization", "orca.application_utilization":
		return true
	}
	own, ok := strings.CutPrefix(name, namedMetrics)
	if !ok || own == "" || len(name) > 64 {
		return false
	}
	for i := range len(own) {
		if c := own[i]; !(isBareByte(c) || c == '.') || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return !strings.ContainsRune("-_.", rune(own[len(own)-1]))
}
