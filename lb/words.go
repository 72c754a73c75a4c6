package lb

// Words returns what the operator has said and the options do not: by endpoint what
// SetAdmin has set, where that is not Ready, and by group the scalers that are not the
// options' own. A balancer that is to take this one's place is told the same.
func (b *Balancer) Words() (endpoints map[string]Admin, scalers map[string]float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	endpoints, scalers = make(map[string]Admin), make(map[string]float64)
	for _, m := range b.state.members {
		if m.admin != Ready {
			endpoints[m.endpoint.ID] = m.admin
		}
	}
	for name, g := range b.state.groups {
		if g.scaling != nil {
			scalers[name] = g.scaling.scaler
		}
	}
	return endpoints, scalers
}
