package balance

import (
	"cmp"
	"slices"
)

// schedule lays out one period of a rotation in which index i has weights[i]
// turns, all at least 1, spread as evenly as possible: with W for the sum of
// weights, the k-th turn of i lies between places ⌊(k−1)·W/wᵢ⌋ and ⌈k·W/wᵢ⌉.
// So in every prefix each index is less than one turn away from its due.
//
// This is the chairman assignment problem (Tijdeman 1980), here solved as
// scheduling unit tasks on one machine: a turn may begin at its release, and of
// those released the one with the earliest deadline goes first, the lower index
// when equal. As the tasks fill the machine exactly, every deadline is met.
//
//	weights 3, 1, 1        place   0   1   2   3   4
//	a's turns may be at           ├──1───┤
//	                                  ├────2─────┤
//	                                          ├──3───┤
//	schedule                       a   a   b   a   c
//
// The textbook's "smooth" algorithm of nginx needs a pass over all endpoints
// and a lock for each pick, and strays further with many endpoints.
func schedule[I index](weights []uint32) []I {
	var period uint64
	for _, w := range weights {
		period += uint64(w)
	}
	order := make([]I, period)
	taken := make([]uint64, len(weights))
	released := newCalendar(int(period), len(weights))
	ready := make(minHeap, 0, len(weights))
	for i := range weights {
		released.add(0, i)
	}
	for now := range order {
		for i := released.take(now); i >= 0; i = released.take(now) {
			w := uint64(weights[i])
			deadline := ((taken[i]+1)*period + w - 1) / w
			ready.push(deadline<<32 | uint64(i))
		}
		i := int(uint32(ready.pop()))
		order[now] = I(i)
		taken[i]++
		if w := uint64(weights[i]); taken[i] < w {
			released.add(max(int(taken[i]*period/w), now+1), i)
		}
	}
	return order
}

// A calendar holds each index under one day: a linked list per day.
type calendar struct {
	first []int32 // by day; 0: none, else index+1
	next  []int32 // by index
}

func newCalendar(days, indexes int) calendar {
	return calendar{first: make([]int32, days), next: make([]int32, indexes)}
}

func (c *calendar) add(day, i int) {
	c.next[i] = c.first[day]
	c.first[day] = int32(i) + 1
}

// take removes and returns an index of that day, or -1 when there is none.
func (c *calendar) take(day int) int {
	i := int(c.first[day]) - 1
	if i >= 0 {
		c.first[day] = c.next[i]
	}
	return i
}

// longestPeriod is how many turns a period of n endpoints may have: it bounds the
// time and memory that odd shares can cost, to about 20 ms and a quarter of a
// megabyte for up to 2000 endpoints.
func longestPeriod(n int) uint64 { return uint64(max(1<<17, 64*n)) }

// turnsPerPeriod returns how many turns each candidate gets in one period: the
// shares in lowest terms. Where that is a longer period than limit, shares are
// scaled down to it, with whole turns given by largest remainder and nobody left
// without one. Then each of n endpoints is within one turn of its due in a
// period, but for those too small for one turn, which get more than they are
// due: at most n turns in all.
func turnsPerPeriod(in []Candidate, limit uint64) []uint32 {
	var divisor, sum uint64
	for _, c := range in {
		divisor = gcd(uint64(c.Share), divisor)
	}
	turns := make([]uint32, len(in))
	for i, c := range in {
		turns[i] = c.Share / uint32(divisor)
		sum += uint64(turns[i])
	}
	if sum > limit {
		apportion(turns, sum, limit)
	}
	return turns
}

// apportion scales weights, which sum up to sum, down to the sum limit or a
// little above, none below 1.
func apportion(weights []uint32, sum, limit uint64) {
	type rest struct {
		i    int
		part uint64
	}
	var rests []rest
	var given uint64
	for i, w := range weights {
		quota := uint64(w) * limit
		weights[i] = uint32(max(1, quota/sum))
		given += uint64(weights[i])
		if quota >= sum {
			rests = append(rests, rest{i, quota % sum})
		}
	}
	slices.SortStableFunc(rests, func(a, b rest) int { return cmp.Compare(b.part, a.part) })
	for _, r := range rests {
		if given >= limit {
			return
		}
		weights[r.i]++
		given++
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
