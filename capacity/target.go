package capacity

import "math"

// Target is how much a group of so many configured members is to take, before
// the scaler: X·N or Y (spec.md §2.3). Members that are ill count: a group's
// target does not shrink with its health, those that are well take more. It is in
// requests per second, connections, or requests under way; for a mode that goes
// by reports it is the target that is given beside. 0 is none.
func (b Backend) Target(members int) float64 {
	n := float64(members)
	switch {
	case b.MaxRate > 0:
		return b.MaxRate
	case b.MaxRatePerEndpoint > 0:
		return b.MaxRatePerEndpoint * n
	case b.MaxConnections > 0:
		return float64(b.MaxConnections)
	case b.MaxConnectionsPerEndpoint > 0:
		return float64(b.MaxConnectionsPerEndpoint) * n
	case b.MaxInFlight > 0:
		return float64(b.MaxInFlight)
	default:
		return float64(b.MaxInFlightPerEndpoint) * n
	}
}

// Capacity is the part of Target that is to be used: C = T·s. What is a whole number
// is one: 100·0.29 is 29 and not a little less, of which nobody could take the last.
func (b Backend) Capacity(members int) float64 {
	c := b.Target(members) * b.EffectiveScaler()
	if whole := math.Round(c); math.Abs(c-whole) < 1e-9*whole {
		return whole
	}
	return c
}

// TargetPerHealthy is what each of the healthy members is to take when the whole
// group takes its target: (X·N)/H or Y/H. With nobody healthy it is 0.
func (b Backend) TargetPerHealthy(members, healthy int) float64 {
	if healthy <= 0 {
		return 0
	}
	return b.Target(members) / float64(healthy)
}

// EffectiveScaler is the scaler with its default: 1 where none is given, 0 while
// Drained.
func (b Backend) EffectiveScaler() float64 {
	switch {
	case b.Drained:
		return 0
	case b.Scaler == 0:
		return 1
	default:
		return b.Scaler
	}
}
