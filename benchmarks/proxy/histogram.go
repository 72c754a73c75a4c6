//go:build linux

package main

import "math/bits"

// A histogram counts nanoseconds in logarithmic buckets, 64 to each power of two, so a value it gives back is at most
// 1/64 off (the idea of HdrHistogram). Its size is fixed: adding never allocates.
type histogram struct {
	count   uint64
	buckets [58*subBuckets + subBuckets]uint64
}

const (
	subBucketBits = 6
	subBuckets    = 1 << subBucketBits
)

// bucketOf keeps the seven highest bits of v. Values below 128 have a bucket each:
//
//	v    0 … 127 │ 128 129 │ 130 131 │ … 254 255 │ 256 257 258 259 │ …
//	at   0 … 127 │   128   │   129   │    191    │       192       │ …
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBucketBits-1, 0)
	return shift*subBuckets + int(v>>shift)
}

// bucketLow is the smallest value that bucketOf puts at i.
func bucketLow(i int) uint64 {
	shift := max(i/subBuckets-1, 0)
	return uint64(i-shift*subBuckets) << shift
}

// add counts one value; a negative one, from a clock that was set, counts as 0.
func (h *histogram) add(v int64) {
	h.count++
	h.buckets[bucketOf(uint64(max(v, 0)))]++
}

// quantile is the smallest value that at least the share q of all values do not exceed, as far as buckets can tell; 0 when empty.
func (h *histogram) quantile(q float64) int64 {
	if h.count == 0 {
		return 0
	}
	rank := max(uint64(q*float64(h.count)+0.5), 1)
	seen := uint64(0)
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return int64(bucketLow(i))
		}
	}
	return int64(bucketLow(len(h.buckets) - 1))
}

func (h *histogram) reset() { *h = histogram{} }
