package balance_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestConformance(t *testing.T) {
	for _, name := range []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "WEIGHTED_ROUND_ROBIN"} {
		t.Run(name, func(t *testing.T) { balancetest.Run(t, mustLookup(t, name)) })
	}
	for _, name := range []string{"RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV"} {
		t.Run(name, func(t *testing.T) { balancetest.RunHash(t, quickly(t, name)) })
	}
}

// The sizes and choices that are not the defaults take other paths.
func TestConformanceOfUnusualParameters(t *testing.T) {
	t.Run("ManyChoices", func(t *testing.T) { balancetest.Run(t, balance.LeastRequest(10, 0.5)) })
	t.Run("CappedRing", func(t *testing.T) { balancetest.RunHash(t, balance.RingHash(2048, 4096)) })
	if !testkit.UnderRace { // there it is the usual one
		t.Run("SmallMaglev", func(t *testing.T) { balancetest.RunHash(t, balance.Maglev(8009)) })
	}
}

// quickly is mustLookup, with tables that are laid in an eighth of the time under the
// race detector.
func quickly(t testing.TB, name string) balance.Policy {
	t.Helper()
	if testkit.UnderRace {
		switch name {
		case "MAGLEV":
			return balance.Maglev(8009)
		case "WEIGHTED_MAGLEV":
			return balance.WeightedMaglev(8009)
		}
	}
	return mustLookup(t, name)
}

func mustLookup(t testing.TB, name string) balance.Policy {
	t.Helper()
	p, err := balance.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
