package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

func slowStartOf(s *config.Service) *lb.SlowStart {
	w := s.SlowStart
	if w == nil {
		return nil
	}
	return &lb.SlowStart{Window: time.Duration(w.Window), Aggression: w.Aggression, MinWeightPercent: w.MinWeightPercent}
}

func panicOf(s *config.Service) lb.PanicMode {
	switch s.Panic {
	case "open":
		return lb.PanicOpen
	case "shed":
		return lb.PanicShed
	}
	return lb.PanicClosed // also with a failover policy, which does not ask
}
