//go:build linux

package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestEveryValueLiesInItsBucket(t *testing.T) {
	values := []uint64{0, 1, 63, 64, 127, 128, 129, 130, 255, 256, 1 << 20, 1<<20 - 1, math.MaxInt64, math.MaxUint64}
	for range 10_000 {
		values = append(values, rand.Uint64()>>rand.IntN(64))
	}
	for _, v := range values {
		i := bucketOf(v)
		if low := bucketLow(i); low > v {
			t.Fatalf("bucket %d of %d begins at %d", i, v, low)
		}
		if i+1 == len(histogram{}.buckets) {
			continue
		}
		if next := bucketLow(i + 1); next <= v {
			t.Fatalf("bucket %d of %d ends at %d", i, v, next)
		} else if width := next - bucketLow(i); width > 1 && width > v/64 {
			t.Fatalf("bucket %d of %d is %d wide: more than a 64th", i, v, width)
		}
	}
}

// The oracle is a sorted list.
func TestQuantilesAreWithinASixtyFourth(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 5000} {
		var h histogram
		values := make([]int64, n)
		for i := range values {
			values[i] = rand.Int64N(1 << (1 + rand.IntN(40)))
			h.add(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			exact := values[max(int(q*float64(n)+0.5), 1)-1]
			if got := h.quantile(q); got > exact || exact-got > exact/64 {
				t.Errorf("quantile %g of %d values is %d, want %d less at most a 64th", q, n, got, exact)
			}
		}
	}
}

func TestAnEmptyHistogramAnswersZero(t *testing.T) {
	var h histogram
	h.add(-5) // counts as 0
	if h.count != 1 || h.quantile(1) != 0 {
		t.Errorf("a negative value gave count %d, quantile %d", h.count, h.quantile(1))
	}
	h.add(1000)
	h.reset()
	if h.count != 0 || h.quantile(0.5) != 0 {
		t.Errorf("after reset: count %d, quantile %d", h.count, h.quantile(0.5))
	}
}
