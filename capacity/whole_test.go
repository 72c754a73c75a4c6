package capacity_test

import (
	"math"
	"testing"

	"github.com/spillway-lb/spillway/capacity"
)

func TestAWholeNumberOfConnectionsIsOne(t *testing.T) {
	for percent := 10; percent <= 100; percent++ {
		b := capacity.Backend{Mode: capacity.Connection, MaxConnections: 100, Scaler: float64(percent) / 100}
		if got := math.Floor(b.Capacity(1)); got != float64(percent) {
			t.Errorf("100 times %v is %v whole connections", b.Scaler, got)
		}
	}
	b := capacity.Backend{Mode: capacity.Rate, MaxRate: 2.5, Scaler: 0.5}
	if got := b.Capacity(1); got != 1.25 {
		t.Errorf("2.5 times 0.5 is %v", got)
	}
}
