package capacity_test

import (
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

// Rows of spec.md §2.3 and §2.5 with their vectors.
func TestTargets(t *testing.T) {
	type backend = capacity.Backend
	tests := []struct {
		name                         string
		b                            backend
		members, healthy             int
		target, capacity, perHealthy float64
	}{
		{"T1 X=100 N=4 H=2", backend{Mode: capacity.Rate, MaxRatePerEndpoint: 100}, 4, 2, 400, 400, 200},
		{"T1 as a whole", backend{Mode: capacity.Rate, MaxRate: 400}, 4, 2, 400, 400, 200},
		{"T2 Y=80 s=0.5", backend{Mode: capacity.Rate, MaxRate: 80, Scaler: .5}, 4, 4, 80, 40, 20},
		{"s=1", backend{Mode: capacity.Rate, MaxRate: 80, Scaler: 1}, 4, 4, 80, 80, 20},
		{"s=0", backend{Mode: capacity.Rate, MaxRate: 80, Scaler: 1, Drained: true}, 4, 4, 80, 0, 20},
		{"nobody healthy", backend{Mode: capacity.Rate, MaxRate: 80}, 4, 0, 80, 80, 0},
		{"nobody at all", backend{Mode: capacity.Rate, MaxRatePerEndpoint: 100}, 0, 0, 0, 0, 0},
		{"connections", backend{Mode: capacity.Connection, MaxConnections: 10}, 5, 4, 10, 10, 2.5},
		{"connections per endpoint", backend{Mode: capacity.Connection, MaxConnectionsPerEndpoint: 10}, 5, 4, 50, 50, 12.5},
		{"in flight", backend{Mode: capacity.InFlight, MaxInFlight: 10}, 5, 5, 10, 10, 2},
		{"in flight per endpoint", backend{Mode: capacity.InFlight, MaxInFlightPerEndpoint: 10}, 5, 5, 50, 50, 10},
		{"utilization beside a rate", backend{Mode: capacity.Utilization, MaxRatePerEndpoint: 10, Scaler: .5}, 5, 5, 50, 25, 10},
		{"utilization alone", backend{Mode: capacity.Utilization}, 5, 5, 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.b.Target(tt.members); got != tt.target {
				t.Errorf("target %v, want %v", got, tt.target)
			}
			if got := tt.b.Capacity(tt.members); got != tt.capacity {
				t.Errorf("capacity %v, want %v", got, tt.capacity)
			}
			if got := tt.b.TargetPerHealthy(tt.members, tt.healthy); got != tt.perHealthy {
				t.Errorf("for each healthy one %v, want %v", got, tt.perHealthy)
			}
		})
	}
}
