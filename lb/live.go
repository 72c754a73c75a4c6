package lb

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/health"
)

// A flow is what picks of one balancer share, snapshot after snapshot.
type flow struct {
	born time.Time
	now  func() time.Time // nil: time.Now

	_      [64]byte // picks write what follows; what is above they only read
	turn   atomic.Uint64
	_      [56]byte
	excess atomic.Uint64 // turns of those that are over everybody's capacity
	_      [56]byte
	asked  atomic.Uint64 // requests that might have been shed
	shed   atomic.Uint64 // those that were
	_      [48]byte
	keyed  atomic.Bool // a request with a key has come since the last sweep

	displaced displaced
}

// newFlow begins at a turn of its own, so that many balancers that start at once
// do not all begin with the same group. A seed other than 0 says which.
func newFlow(now func() time.Time, seed uint64) *flow {
	f := &flow{born: time.Now(), now: now}
	if now != nil {
		f.born = now()
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	f.turn.Store(mix(seed))
	f.excess.Store(mix(seed + 1))
	f.asked.Store(mix(seed + 2))
	return f
}

// noteKey notes that requests have keys. Nearly always that is known.
func (f *flow) noteKey() {
	if !f.keyed.Load() {
		f.keyed.Store(true)
	}
}

// clock is nanoseconds since the balancer was made, and never 0.
func (f *flow) clock() int64 {
	if f.now == nil {
		return int64(time.Since(f.born)) + 1
	}
	return int64(f.now().Sub(f.born)) + 1
}

// at is the moment that the clock showed this.
func (f *flow) at(clock int64) time.Time { return f.born.Add(time.Duration(clock - 1)) }

// golden is 2⁶⁴ divided by the golden ratio: its multiples are spread over the
// 64 bits more evenly than random numbers, however many one takes (H. Weyl).
const golden = 0x9e3779b97f4a7c15

// spread turns a turn into a number that is even over any row of turns.
func spread(turn uint64) uint64 { return turn * golden }

// mix spreads a number over 64 bits, one to one (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// groupLive is what is counted of a group. It follows the group's name.
type groupLive struct {
	name  string
	meter capacity.Meter // where the group has a limit of requests per second
	gauge balance.Load   // where it has one of connections or requests under way
	keys  keyGate
	// guests counts, with a limit of requests per second, those whose key belongs to
	// another group.
	guests capacity.Meter
	// spilt counts, by the *groupLive they went to, picks that began here.
	spilt sync.Map // of *atomic.Uint64
}

// spill counts a pick that went from g to another group.
func (g *groupLive) spill(to *groupLive) {
	n, ok := g.spilt.Load(to)
	if !ok {
		n, _ = g.spilt.LoadOrStore(to, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// endpointLive is what an endpoint and its connections tell about it. It follows
// the endpoint's ID at one address.
type endpointLive struct {
	connect atomic.Int64 // mean time to connect, ns; 0: not known

	told    func(balance.Streaks) // what leases call that fail
	ejected atomic.Bool
	spared  [len(health.OutlierReasons) + 1]atomic.Int64 // when the log last said why it was not, by reason

	mu     sync.Mutex
	load   health.LoadReport
	loadAt int64 // by flow.clock; 0: never
}

// Connected notes how long it took to connect to the endpoint with this ID. From
// such times, where [Options.Zones] has none, the distances of zones are taken.
// It may be called from any goroutine, and allocates nothing.
func (b *Balancer) Connected(id string, took time.Duration) {
	s := b.snapshot.Load()
	if s.plan == nil || !s.plan.measures || took <= 0 {
		return
	}
	l := s.live(id)
	for l != nil {
		was := l.connect.Load()
		mean := int64(took)
		if was > 0 {
			mean = was + (int64(took)-was)/8
		}
		if l.connect.CompareAndSwap(was, max(mean, 1)) {
			break
		}
	}
}

// Report notes what an endpoint reports of its load. It may be called from any
// goroutine, and keeps nothing of r. A report of an endpoint that is not there is
// ignored.
func (b *Balancer) Report(id string, r *health.LoadReport) {
	l := b.snapshot.Load().live(id)
	if l == nil {
		return
	}
	now := b.flow.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	named := append(l.load.Named[:0], r.Named...)
	l.load = *r
	l.load.Named = named
	l.loadAt = now
}

// live finds an endpoint's live part, or nil.
func (s *Snapshot) live(id string) *endpointLive {
	i, ok := s.byID(id)
	if !ok || len(s.lives) == 0 {
		return nil
	}
	return s.lives[i]
}

// report returns the endpoint's last report, and how long ago it came; ok is
// false if there is none or it is older than expiration.
func (l *endpointLive) report(now int64, expiration time.Duration) (r health.LoadReport, age time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age = time.Duration(now - l.loadAt)
	if l.loadAt == 0 || age > expiration {
		return health.NoLoadReport(), age, false
	}
	r = l.load
	r.Named = append([]health.NamedMetric(nil), l.load.Named...)
	return r, age, true
}
