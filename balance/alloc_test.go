//go:build !race

package balance_test

import (
	"testing"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/balance/balancetest"
)

func TestPickAndDoneDoNotAllocate(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}} {
		c := balancetest.Candidates(weights...)
		c[0].Share = 0
		for _, name := range balance.Names() {
			p := mustLookup(t, name)(c)
			key := uint64(0)
			got := testing.AllocsPerRun(1000, func() {
				key += 0x9e3779b97f4a7c15
				e := p.Pick(balance.Request{Key: key, Keyed: true, Try: int(key % 2)})
				if e.Load.Acquire(e.Max) {
					e.Load.Release()
				}
			})
			if got != 0 {
				t.Errorf("%s of %d: %v allocations", name, len(c), got)
			}
		}
	}
}
