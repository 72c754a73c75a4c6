package config

import (
	"net/netip"
	"slices"
	"strings"
)

// spell gives words and prefixes their canonical spelling, so that whoever reads
// a Config may compare strings. A word that is not allowed becomes "", for which
// the default will stand in while the rest of the file is checked.
func (l *loader) spell(c *Config) {
	l.word("log.level", &c.Log.Level, logLevels)
	l.word("log.format", &c.Log.Format, logFormats)
	for _, keyword := range []string{"off", "stdout", "stderr"} {
		if strings.EqualFold(c.Log.Access, keyword) {
			c.Log.Access = keyword
		}
	}
	l.word("proxy.engine", &c.Proxy.Engine, engines)
	for i := range c.Listeners {
		l.spellListener(at("listener", i), &c.Listeners[i])
	}
	for i := range c.Services {
		s, path := &c.Services[i], at("service", i)
		l.word(path+".protocol", &s.Protocol, serviceProtocols)
		l.word(path+".locality_lb_policy", &s.LocalityLBPolicy, policies)
		l.word(path+".session_affinity", &s.SessionAffinity, affinities)
		l.word(path+".source", &s.Source, sources)
		l.word(path+".panic", &s.Panic, panics)
		l.word(path+".proxy_protocol", &s.ProxyProtocol, proxyProtocols)
		l.word(path+".connection_tracking_policy.tracking_mode", &s.ConnectionTrackingPolicy.TrackingMode, trackingModes)
		l.word(path+".connection_tracking_policy.connection_persistence_on_unhealthy_backends",
			&s.ConnectionTrackingPolicy.ConnectionPersistenceOnUnhealthyBackends, persistences)
		if z := s.NetworkPassThroughLBTrafficPolicy.ZonalAffinity; z != nil {
			l.word(path+".network_pass_through_lb_traffic_policy.zonal_affinity.spillover", &z.Spillover, spillovers)
		}
		if s.Subsetting != nil {
			l.word(path+".subsetting.policy", &s.Subsetting.Policy, subsettingPolicies)
		}
		l.spellCapacity(path, s)
		if s.HealthCheck != nil {
			l.spellHealthCheck(path+".health_check", s.HealthCheck)
		}
		if s.Utilization != nil {
			l.word(path+".utilization.source", &s.Utilization.Source, loadSources)
		}
		if s.Retry != nil {
			l.spellRetryOn(path+".retry.retry_on", s.Retry.RetryOn)
		}
	}
}

func (l *loader) spellListener(path string, v *Listener) {
	l.word(path+".protocol", &v.Protocol, listenerProtocols)
	if t := v.TLS; t != nil {
		l.spellTLS(path+".tls", t)
	}
	for i, s := range v.TrustedProxies {
		prefix, err := parsePrefix(s)
		if err != nil {
			l.errorf(at(path+".trusted_proxies", i), "%q is neither an IP address nor a CIDR prefix", s)
			continue
		}
		v.TrustedProxies[i] = prefix.String()
	}
	for i := range v.Routes {
		r := &v.Routes[i]
		r.Host = strings.ToLower(r.Host)
		r.SNI = strings.ToLower(r.SNI)
	}
}

func (l *loader) spellTLS(path string, t *ListenerTLS) {
	if t.MinVersion == "1.0" || t.MinVersion == "1.1" {
		l.errorf(path+".min_version", "TLS %s is not safe (RFC 8996): write 1.2, or 1.3", t.MinVersion)
		t.MinVersion = ""
	}
	l.word(path+".min_version", &t.MinVersion, tlsVersions)
	l.word(path+".client_auth", &t.ClientAuth, clientAuths)
}

func (l *loader) spellRetryOn(path string, conditions []string) {
	for i := range conditions {
		c, key := &conditions[i], at(path, i)
		isGRPC := func(word string) bool { return strings.EqualFold(word, *c) }
		switch {
		case *c == "" && !l.bad[key]:
			l.errorf(key, "%q is not one of %s", *c, strings.Join(retryConditions.allowed, ", "))
		case slices.ContainsFunc(grpcConditions, isGRPC):
			l.errorf(key, "%q is a status of gRPC, not supported for HTTP/1.1, which has %s", *c,
				strings.Join(retryConditions.allowed, ", "))
		default:
			l.word(key, c, retryConditions)
		}
	}
}

// word replaces *s by the allowed word that it is, whatever its case.
func (l *loader) word(path string, s *string, words enum) {
	if *s == "" {
		return // its default comes later
	}
	same := func(word string) bool { return strings.EqualFold(word, *s) }
	if i := slices.IndexFunc(words.allowed, same); i >= 0 {
		*s = words.allowed[i]
		return
	}
	choice := strings.Join(words.allowed, ", ")
	if i := slices.IndexFunc(words.later, same); i >= 0 {
		l.errorf(path, "%s is %s; it has %s", words.later[i], notYet, choice)
	} else if guess := nearest(*s, words.allowed); guess != "" {
		l.errorf(path, "%q is not one of %s; did you mean %s?", *s, choice, guess)
	} else {
		l.errorf(path, "%q is not one of %s", *s, choice)
	}
	*s = ""
}

// parsePrefix reads a CIDR prefix, or an address as the prefix that holds nothing
// else.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		ip = ip.Unmap().WithZone("")
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}
