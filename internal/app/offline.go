package app

import (
	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

// This file is for those who ask what a file means without running it. It opens
// nothing and starts nothing.

// BalancerOptions is what the balancer of one of cfg's services is made of. Its
// health check has no TLS yet, and nobody gets its log.
func BalancerOptions(cfg *config.Config, s *config.Service) (lb.Options, error) {
	return balancerOptions(cfg, s, nil)
}

// Affinity is how one of cfg's services names its clients.
func Affinity(cfg *config.Config, s *config.Service) (affinity.Rule, error) {
	return affinityOf(cfg, s)
}

// Hashes reports whether the service's policy goes by keys. Where it does not, nobody
// is bound to an endpoint.
func Hashes(s *config.Service) bool { return hashes(s) }
