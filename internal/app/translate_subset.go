package app

import (
	"math/rand/v2"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

// randomSeed is the subset of a proxy that has no id: its own, and the same as
// long as the process lives.
var randomSeed = rand.Uint64()

// subsettingOf returns nil where the file has none.
func subsettingOf(cfg *config.Config, s *config.Service) *lb.Subsetting {
	if !s.Subsetting.IsOn() {
		return nil
	}
	seed := randomSeed
	if cfg.Proxy.ID != "" {
		seed = balance.SubsetSeed(cfg.Proxy.ID)
	}
	return &lb.Subsetting{Size: s.Subsetting.SubsetSize, Seed: seed}
}
