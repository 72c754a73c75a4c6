package simulate

import (
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// A tally counts requests, also by bucket.
type tally struct {
	requests, failed uint64
	buckets          []uint32
}

func (t *tally) add(bucket int) {
	t.requests++
	for len(t.buckets) <= bucket {
		t.buckets = append(t.buckets, 0)
	}
	t.buckets[bucket]++
}

// rates are the requests per second in each of n buckets of that length.
func (t *tally) rates(n int, length, duration time.Duration) []float64 {
	rates := make([]float64, n)
	for i := range min(n, len(t.buckets)) {
		rates[i] = float64(t.buckets[i]) / min(length, duration-time.Duration(i)*length).Seconds()
	}
	return rates
}

// A recorder notes what only the balancer knows, bucket by bucket.
type recorder struct {
	ends   []time.Duration // of buckets
	groups [][]groupSample // by bucket
	spills []spillSample
}

type groupSample struct{ capacity, usage, fullness float64 }

// A spillSample is what went from one full group to another, by bucket.
type spillSample struct {
	from, to string
	before   uint64
	counts   []uint64
}

// sample notes the state at the end of a bucket.
func (c *recorder) sample(r *run) {
	st := r.b.Status()
	c.ends = append(c.ends, r.now)
	c.groups = append(c.groups, groupSamples(&st))
	for _, s := range st.Spills {
		e := c.edge(s.From, s.To)
		for len(e.counts) < len(c.ends)-1 {
			e.counts = append(e.counts, 0)
		}
		e.counts = append(e.counts, s.Count-e.before)
		e.before = s.Count
	}
}

// finish samples the last bucket, if that is not a whole one.
func (c *recorder) finish(r *run) {
	if len(c.ends) == 0 || c.ends[len(c.ends)-1] < r.now {
		c.sample(r)
	}
}

func groupSamples(st *lb.Status) []groupSample {
	samples := make([]groupSample, len(st.Groups))
	for i := range st.Groups {
		g := &st.Groups[i]
		samples[i] = groupSample{g.Capacity, g.Usage, g.Fullness}
	}
	return samples
}

func (c *recorder) edge(from, to string) *spillSample {
	for i := range c.spills {
		if e := &c.spills[i]; e.from == from && e.to == to {
			return e
		}
	}
	c.spills = append(c.spills, spillSample{from: from, to: to})
	return &c.spills[len(c.spills)-1]
}
