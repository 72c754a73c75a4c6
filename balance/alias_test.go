package balance

import (
	"math"
	"math/rand/v2"
	"testing"
)

func sharesOf(shares ...uint32) []Candidate {
	c := make([]Candidate, len(shares))
	for i, id := range testIDs(len(shares)) {
		c[i] = Candidate{Endpoint: &Endpoint{ID: id, Weight: shares[i]}, Share: shares[i]}
	}
	return c
}

// What columns and tenants sum up to is each index's share, to 1/2³² a column.
func checkAlias(t *testing.T, shares []uint32) {
	t.Helper()
	var sum float64
	for _, s := range shares {
		sum += float64(s)
	}
	n := float64(len(shares))
	got := make([]float64, len(shares))
	for i, c := range aliasColumns(sharesOf(shares...)) {
		cut := float64(c.cut) / (1 << 32)
		got[i] += cut / n
		got[c.tenant] += (1 - cut) / n
	}
	for i, s := range shares {
		if want := float64(s) / sum; math.Abs(got[i]-want) > 1e-9 {
			t.Errorf("shares %d: index %d has the chance %v, want %v", shares, i, got[i], want)
		}
	}
}

func TestAliasColumnsHoldTheShares(t *testing.T) {
	checkAlias(t, []uint32{1})
	checkAlias(t, []uint32{1, 2, 3})
	checkAlias(t, []uint32{1, math.MaxUint32})
	checkAlias(t, []uint32{math.MaxUint32, math.MaxUint32, math.MaxUint32 - 1})
	random := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		shares := make([]uint32, 1+random.IntN(50))
		for i := range shares {
			shares[i] = max(1, random.Uint32()>>random.Uint32N(32))
		}
		checkAlias(t, shares)
	}
}

func TestAliasDrawsTheWholeRange(t *testing.T) {
	table := newAliasTable(sharesOf(1, 2, 3))
	count := make([]int, 3)
	const steps = 600000
	for i := range uint64(steps) {
		count[table.draw(i*(math.MaxUint64/steps))]++
	}
	for i, n := range count {
		if want := steps / 6 * (i + 1); n < want-10 || n > want+10 {
			t.Errorf("index %d was drawn for %d of %d numbers, want %d", i, n, steps, want)
		}
	}
	if i := table.draw(math.MaxUint64); i < 0 || i > 2 {
		t.Errorf("the largest number drew %d", i)
	}
}
