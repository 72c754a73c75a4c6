package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/lb"
)

// This file is for those who ask what a file means without running it. It opens
// nothing and starts nothing; Found asks name servers.

// BalancerOptions is what the balancer of one of cfg's services is made of. Its
// health check has no TLS yet, and nobody gets its log.
func BalancerOptions(cfg *config.Config, s *config.Service) (lb.Options, error) {
	return balancerOptions(cfg, s, nil)
}

// Found returns cfg with the endpoints that its groups find by DNS or in a file now,
// or have found when ctx ends, and what went wrong with any of them.
func Found(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	filled := *cfg
	filled.Groups = slices.Clone(cfg.Groups)
	errs := make([]error, len(filled.Groups))
	var looks sync.WaitGroup
	for i := range filled.Groups {
		g := &filled.Groups[i]
		if !g.Finds() || !isUsed(cfg, g.Name) {
			continue
		}
		looks.Go(func() {
			a, err := sourceOfGroup(g).Look(ctx)
			if err != nil {
				errs[i] = fmt.Errorf("group %q: %w", g.Name, err)
				return
			}
			discovery.Sort(a.Endpoints)
			g.Endpoints = endpointsOf(a.Endpoints)
		})
	}
	looks.Wait()
	return &filled, errors.Join(errs...)
}

// Affinity is how one of cfg's services names its clients. Where cfg has no keys for
// strong cookies, the rule opens none: those of a proxy that runs are its own.
func Affinity(cfg *config.Config, s *config.Service) (affinity.Rule, error) {
	return affinityOf(cfg, s, affinity.NewKey())
}

// Hashes reports whether the service's policy goes by keys. Where it does not, nobody
// is bound to an endpoint.
func Hashes(s *config.Service) bool { return hashes(s) }
