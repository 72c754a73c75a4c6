package plan

import (
	"fmt"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/lb"
)

// A side is a service as one of the files has it, with the tables that a proxy with
// this file would pick from.
type side struct {
	cfg    *config.Config
	spec   *config.Service
	rule   affinity.Rule
	status lb.Status
	tables *lb.Snapshot
}

// newSide makes the tables. It returns nil if the file has no service of this name.
func newSide(cfg *config.Config, name string) (*side, error) {
	for i := range cfg.Services {
		if cfg.Services[i].Name == name {
			return build(cfg, &cfg.Services[i])
		}
	}
	return nil, nil
}

func build(cfg *config.Config, spec *config.Service) (*side, error) {
	o, err := app.BalancerOptions(cfg, spec)
	if err != nil {
		return nil, err
	}
	o.HealthCheck = nil // everybody is healthy
	b, err := lb.New(o)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", spec.Name, err)
	}
	rule, err := app.Affinity(cfg, spec)
	if err != nil {
		return nil, err
	}
	return &side{cfg, spec, rule, b.Status(), b.Snapshot()}, nil
}

// binds reports whether the service's policy goes by keys, so that clients have an
// endpoint to lose.
func (s *side) binds() bool { return app.Hashes(s.spec) }

// takesReports reports whether keys go by weights that endpoints report.
func (s *side) takesReports() bool {
	return s.spec.LocalityLBPolicy == "WEIGHTED_MAGLEV" && s.spec.HealthCheck != nil
}

// parts are the endpoints' parts: of the keys, or where there are none of new
// traffic while there is little of it.
func (s *side) parts() []balance.Part {
	if parts := s.tables.KeyParts(); parts != nil {
		return parts
	}
	shares := make(map[string]float64)
	for _, g := range s.status.Groups {
		for _, e := range g.Endpoints {
			shares[e.ID] = e.ShareExpected
		}
	}
	var parts []balance.Part
	for _, c := range s.tables.Candidates {
		if share := shares[c.ID]; share > 0 {
			parts = append(parts, balance.Part{Endpoint: c.Endpoint, Part: share})
		}
	}
	return parts
}

// shares are the same by ID.
func (s *side) shares() map[string]float64 {
	shares := make(map[string]float64)
	if s != nil {
		for _, p := range s.parts() {
			shares[p.Endpoint.ID] = p.Part
		}
	}
	return shares
}
