package app

import (
	"fmt"
	"log/slog"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// sourceOf is what lets a service's endpoints see their clients' addresses; nil if
// they see the proxy's. It fails where this process may not do so: at the start or
// the reload that asks for it, rather than with each connection.
func sourceOf(cfg *config.Config, s *config.Service, stats *proxy.Stats, log *slog.Logger) (*proxy.ClientSource, error) {
	if s.Source != "CLIENT" {
		return nil, nil
	}
	if err := proxy.CanBeTransparent(); err != nil {
		return nil, fmt.Errorf("service %q: source = \"CLIENT\": %w", s.Name, err)
	}
	return proxy.NewClientSource(s.Name, stats, proxy.NewLimitedLog(log, 1), addresses(cfg, s)), nil
}
