package app

import (
	"slices"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// trackingOf is what becomes of a service's connections.
func trackingOf(cfg *config.Config, s *config.Service, kind affinity.Kind) (proxy.Tracking, error) {
	p := s.ConnectionTrackingPolicy
	mode, err := proxy.ParseTrackingMode(p.TrackingMode)
	if err != nil {
		return proxy.Tracking{}, err
	}
	persistence, err := proxy.ParsePersistence(p.ConnectionPersistenceOnUnhealthyBackends)
	if err != nil {
		return proxy.Tracking{}, err
	}
	t := proxy.Tracking{
		Persist:         persistence.Holds(s.Protocol, mode, kind),
		DrainingTimeout: time.Duration(s.ConnectionDraining.DrainingTimeout),
		GroupDraining:   groupDraining(cfg, s),
		CutOnFailover:   s.FailoverPolicy != nil && s.FailoverPolicy.DisableConnectionDrainOnFailover,
		IdleTimeout:     time.Duration(s.Timeout),
	}
	t.Strong, t.KeepSessions = s.IsStrong(), s.KeepsSessions()
	if p.IdleTimeout > 0 {
		t.PerSession, t.IdleTimeout = true, time.Duration(p.IdleTimeout)
	}
	return t, nil
}

// groupDraining is the longest draining timeout of all services that share a
// group, for each group of s (spec.md §9.1).
func groupDraining(cfg *config.Config, s *config.Service) map[string]time.Duration {
	longest := make(map[string]time.Duration, len(s.Backends))
	for _, b := range s.Backends {
		for _, other := range cfg.Services {
			if slices.ContainsFunc(other.Backends, func(o config.Backend) bool { return o.Group == b.Group }) {
				longest[b.Group] = max(longest[b.Group], time.Duration(other.ConnectionDraining.DrainingTimeout))
			}
		}
	}
	return longest
}

// newTracker returns what watches over a service's connections.
func (a *App) newTracker(s *service, t proxy.Tracking) *proxy.Tracker {
	return proxy.NewTracker(proxy.TrackerOptions{
		Service:  s.spec.Name,
		Balancer: s.balancer,
		Tracking: t,
		Cutters:  a.cutters,
		Idle: func(gone []proxy.Place) {
			loads := make(map[*balance.Load]bool, len(gone))
			for _, p := range gone {
				loads[p.Load] = true
			}
			a.pools.Retain(func(l *balance.Load) bool { return !loads[l] })
		},
		Log: a.log.Logger,
	})
}

// cutters are the engines that may have connections.
func (a *App) cutters() (all []proxy.Cutter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range slices.Concat(a.listeners, a.leaving) {
		if c, ok := l.engine.(proxy.Cutter); ok {
			all = append(all, c)
		}
	}
	return all
}
