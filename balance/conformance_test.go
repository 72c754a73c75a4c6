package balance_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

func TestConformance(t *testing.T) {
	for _, name := range []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "WEIGHTED_ROUND_ROBIN"} {
		t.Run(name, func(t *testing.T) { balancetest.Run(t, mustLookup(t, name)) })
	}
	for _, name := range []string{"RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV"} {
		t.Run(name, func(t *testing.T) { balancetest.RunHash(t, mustLookup(t, name)) })
	}
}

// The sizes and choices that are not the defaults take other paths.
func TestConformanceOfUnusualParameters(t *testing.T) {
	t.Run("ManyChoices", func(t *testing.T) { balancetest.Run(t, balance.LeastRequest(10, 0.5)) })
	t.Run("CappedRing", func(t *testing.T) { balancetest.RunHash(t, balance.RingHash(2048, 4096)) })
	t.Run("SmallMaglev", func(t *testing.T) { balancetest.RunHash(t, balance.Maglev(8009)) })
}

func mustLookup(t testing.TB, name string) balance.Policy {
	t.Helper()
	p, err := balance.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
