package app

import (
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

// failoverOf returns nil where the file has no policy.
func failoverOf(s *config.Service) *lb.Failover {
	p := s.FailoverPolicy
	if p == nil {
		return nil
	}
	return &lb.Failover{Ratio: p.FailoverRatio, DropIfUnhealthy: p.DropTrafficIfUnhealthy}
}

// spillovers are the file's words.
var spillovers = map[string]lb.Spillover{
	"ZONAL_AFFINITY_STAY_WITHIN_ZONE": lb.StayWithinZone,
	"ZONAL_AFFINITY_SPILL_CROSS_ZONE": lb.SpillCrossZone,
}

func zonalAffinityOf(cfg *config.Config, s *config.Service) lb.ZonalAffinity {
	z := s.NetworkPassThroughLBTrafficPolicy.ZonalAffinity
	if z == nil {
		return lb.ZonalAffinity{}
	}
	return lb.ZonalAffinity{
		Spillover: spillovers[z.Spillover],
		Ratio:     z.SpilloverRatio,
		Region:    cfg.Proxy.Region,
		Zone:      cfg.Proxy.Zone,
	}
}

// isBackup reports whether the service uses the group as a backup.
func isBackup(s *config.Service, group string) bool {
	for _, b := range s.Backends {
		if b.Group == group {
			return b.Failover
		}
	}
	return false
}
