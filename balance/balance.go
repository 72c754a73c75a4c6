package balance

import (
	"net/netip"
	"sync/atomic"
)

// An Endpoint is one address that traffic can go to. It never changes once a
// snapshot holds it: a changed endpoint is a new value with the old ID and the
// old Load.
type Endpoint struct {
	// ID is the stable name: it is hashed, logged and used as a metric label.
	// Package lb fills in Addr where it is empty.
	ID string
	// Addr is where to dial: "host:port" or "unix:/path".
	Addr string
	// Weight is the configured share. An endpoint of weight 0 takes no new
	// traffic beside others that have a weight; where nobody has one (the zero
	// value, left out everywhere) all count as 1.
	Weight uint32
	// Max is the largest number of leases held at once; 0 means no limit.
	Max int64
	// Load has the live counters, shared by every snapshot that knows this ID.
	// Package lb keeps the one it knows for the ID, or else creates it where it
	// is nil.
	Load *Load
}

// Load holds the live counters of one endpoint. It follows the endpoint's ID
// from snapshot to snapshot, so a reload forgets nothing. The zero value is
// ready to use; a Load must not be copied.
//
// Leases are counted by two numbers that only grow instead of one that goes up
// and down: the total comes for free, and a lease costs two atomic additions.
// The struct fills a cache line, so that neighbours do not fight over it.
type Load struct {
	started  atomic.Uint64
	finished atomic.Uint64
	failed   atomic.Uint64
	neutral  atomic.Uint64
	trouble  atomic.Uint64 // see the type
	faults   atomic.Pointer[faults]
	_        [16]byte
}

// Acquire takes a lease if fewer than max are held, and reports whether it did.
// Check and take are one step: max is never exceeded, whoever else acquires. A
// max of 0 or less means no limit.
func (l *Load) Acquire(max int64) bool {
	if max <= 0 {
		l.started.Add(1)
		return true
	}
	for {
		// started before finished: if the swap below finds started as it was
		// here, then no lease began in between, and the difference was exact
		// when finished was read and can only have shrunk since.
		s := l.started.Load()
		if int64(s-l.finished.Load()) >= max {
			return false
		}
		if l.started.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// Release gives back a lease that Acquire took.
func (l *Load) Release() { l.finished.Add(1) }

// Active is the number of leases held now. Beside others who take and give back
// it may be above the truth by what they do while it looks, never below 0.
func (l *Load) Active() int64 {
	f := l.finished.Load() // before started, so that the difference is never negative
	return int64(l.started.Load() - f)
}

// Started is the number of leases ever taken.
func (l *Load) Started() uint64 { return l.started.Load() }

// Failed is the number of leases that ended by the endpoint's fault.
func (l *Load) Failed() uint64 { return l.failed.Load() }

// Fine is how finely warm-up is counted: who needs shares smaller than weights
// multiplies the Weight and the Share of all candidates by it. Nothing else follows
// from that. A ring knows by it that weights are counted so, and divides them again:
// it is a prime, which weights of a file hardly ever have in common, as they do have
// powers of two.
const Fine = 251

// A Candidate is a configured endpoint with the share of traffic it may get now.
type Candidate struct {
	*Endpoint
	// Share is the endpoint's weight as it counts now, in units of Weight: less
	// while it warms up, 0 while it is configured but not to be picked. Policies
	// that hash lay their tables by Weight and take Share/Weight of an
	// endpoint's slots away again, so that nobody else's keys move.
	Share uint32
}

// A Request says what a picker may know of the request it chooses for.
type Request struct {
	// Key is the affinity key. It counts only where Keyed is true; without a
	// key the hash policies choose at random.
	Key   uint64
	Keyed bool
	// Try asks for the Try-th alternative, from 0. Hash policies give distinct
	// endpoints for 0, 1, 2, … until the candidates run out, and then nil; the
	// others just choose again.
	Try int
	// Destination is the address that the client has dialed, before it was
	// redirected to us; invalid where that is not known. Only ORIGINAL_DESTINATION
	// looks at it.
	Destination netip.AddrPort
}

// A Picker chooses among the candidates it was built from. Pick may be called
// from many goroutines; it never blocks, never allocates, and ends after a
// bounded number of steps. It returns only endpoints whose Share was above 0,
// and nil only for a Try beyond the last alternative, or if it is [Exact].
type Picker interface {
	Pick(Request) *Endpoint
}

// An Exact is a Picker whose answer is the only right one: whom it does not give
// must not serve the request, not even if he is the last one left. It may give
// nobody at all.
type Exact interface {
	Picker
	// Exact does nothing. It tells such pickers from others.
	Exact()
}

// A Resumer is a Picker with a place to keep, such as a rotation's. Whoever
// replaces a picker calls Resume on the new one with the old one, once and
// before the first Pick, so that frequent changes do not send everybody back
// to the same first endpoint. The old picker may still be in use meanwhile. A
// prev of another kind is ignored.
type Resumer interface {
	Picker
	Resume(prev Picker)
}

// A Policy builds the picker for one list of candidates: sorted by ID, IDs
// distinct, at least one Share above 0. The list is the policy's to keep but
// not to modify; the order in which a user wrote the endpoints never reaches
// it. Building may take milliseconds, picking must not.
//
// A policy may wrap another and call it for each list with one of its own. The ones
// that hash lay a table but once for each list of IDs and weights, and share it among
// all pickers that are in use: while only shares change, building is cheap, whoever
// calls them, and however many do.
type Policy func(c []Candidate) Picker
