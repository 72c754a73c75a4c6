package app

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// This file says what the words of the file mean to the packages that do the
// work. It opens nothing and starts nothing.

// balancerOptions is what a service's balancer is made of.
func balancerOptions(cfg *config.Config, s *config.Service, log *slog.Logger) (lb.Options, error) {
	policy, err := policyOf(s)
	if err != nil {
		return lb.Options{}, fmt.Errorf("service %q: %w", s.Name, err)
	}
	groups, err := groupsOf(cfg, s)
	if err != nil {
		return lb.Options{}, fmt.Errorf("service %q: %w", s.Name, err)
	}
	o := lb.Options{
		Name:           s.Name,
		Policy:         policy,
		Groups:         groups,
		HealthCheck:    healthCheckOf(s.HealthCheck),
		PanicThreshold: s.PanicThreshold,
		Failover:       failoverOf(s),
		ZonalAffinity:  zonalAffinityOf(cfg, s),
		Subsetting:     subsettingOf(cfg, s),
		MoveSessions:   s.IsStrong() && !s.KeepsSessions(),
		LoadWeights:    loadWeightsOf(s),
		Outlier:        outlierOf(s.OutlierDetection),
		SlowStart:      slowStartOf(s),

		CircuitBreakers: limitsOf(s),
		Panic:           panicOf(s),
		Service:         servicePolicyOf(s),
		Here:            hereOf(cfg),
		Zones:           zonesOf(cfg, s),

		ReportExpiration: reportExpirationOf(s),
		ReportedWeights:  s.LocalityLBPolicy == "WEIGHTED_MAGLEV",
		Log:              log,
	}
	return o, nil
}

func policyOf(s *config.Service) (balance.Policy, error) {
	switch s.LocalityLBPolicy {
	case "RING_HASH":
		return balance.RingHash(s.ConsistentHash.MinimumRingSize, 0), nil
	case "MAGLEV":
		return balance.Maglev(s.ConsistentHash.MaglevTableSize), nil
	case "WEIGHTED_MAGLEV":
		return balance.WeightedMaglev(s.ConsistentHash.MaglevTableSize), nil
	}
	return balance.Lookup(s.LocalityLBPolicy)
}

// hashes reports whether the service's policy looks at keys.
func hashes(s *config.Service) bool {
	switch s.LocalityLBPolicy {
	case "RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV":
		return true
	}
	return false
}

// proxyService is the service as the engines see it.
func proxyService(cfg *config.Config, s *config.Service, b *lb.Balancer, stats *proxy.Stats, own affinity.Key) (*proxy.Service, error) {
	rule, err := affinityOf(cfg, s, own)
	if err != nil {
		return nil, err
	}
	retry, err := retryOf(s)
	if err != nil {
		return nil, err
	}
	tracking, err := trackingOf(cfg, s, rule.Kind)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	return &proxy.Service{
		Name:             s.Name,
		Balancer:         b,
		Stats:            stats,
		Affinity:         rule,
		Hashes:           hashes(s),
		Timeout:          time.Duration(s.Timeout),
		ConnectTimeout:   time.Duration(s.ConnectTimeout),
		KeepaliveTimeout: time.Duration(s.KeepaliveTimeout),
		Retry:            retry,
		CircuitBreakers:  breakersOf(s),
		Tracking:         tracking,
		ResetIdle:        s.EnableTCPReset,
		LoadReports:      loadReportsOf(s, b),

		OriginalDestination: s.LocalityLBPolicy == "ORIGINAL_DESTINATION",
		ProxyProtocol:       proxyProtocols[s.ProxyProtocol],
	}, nil
}

func retryOf(s *config.Service) (*proxy.Retry, error) {
	r := s.Retry
	if r == nil {
		return nil, nil
	}
	on, err := proxy.ParseRetryOn(r.RetryOn)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	return &proxy.Retry{On: on, Most: r.NumRetries, PerTryTimeout: time.Duration(r.PerTryTimeout)}, nil
}

// httpSettings is what a reload may change of an HTTP listener.
func httpSettings(l *config.Listener, services map[string]*proxy.Service) (*proxyhttp.Settings, error) {
	routes := make([]proxy.Route, len(l.Routes))
	for i, r := range l.Routes {
		actions, err := actionsOf(&r)
		if err != nil {
			return nil, fmt.Errorf("listener %q, route %d: %w", l.Name, i+1, err)
		}
		routes[i] = proxy.Route{
			Host:         r.Host,
			PathPrefix:   r.PathPrefix,
			Service:      services[r.Service],
			Timeout:      time.Duration(r.Timeout),
			MaxBodyBytes: r.MaxBodyBytes,
			Actions:      actions,
		}
	}
	set := &proxyhttp.Settings{
		Routes:           proxy.NewRoutes(routes, services[l.Service]),
		ClientTimeout:    time.Duration(l.ClientTimeout),
		KeepaliveTimeout: time.Duration(l.KeepaliveTimeout),
		MaxHeaderBytes:   l.MaxHeaderBytes,
	}
	var err error
	set.TrustedProxies, err = trustedProxies(l)
	return set, err
}
