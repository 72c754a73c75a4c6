package lb

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A queue has those who wait until an endpoint, or a place in the circuit breakers,
// is free. Who ends a lease looks at one number to see whether there is anybody, and
// then serves them.
//
// First come is first served, while it is a queue that comes and goes. One that has
// not been empty for long does not go: more comes than can be served, and in turn
// everybody would wait until it is of no use. Then the newest is served
// first: some wait for nothing and others in vain, instead of all for long.
type queue struct {
	b *Balancer

	_       [64]byte
	waiting atomic.Int64 // how many there are in line
	plain   atomic.Int64 // and of them how many would take anybody
	_       [48]byte

	mu    sync.Mutex
	line  *list.List // of *Waiter, the oldest first
	since int64      // when it was empty last, by the balancer's clock
	total uint64     // of those who ever had to wait
}

// overloadAfter is how long a queue may stand that is a burst still: a tenth of what
// one may wait in it, since requests that take long make bursts that last, but no less
// than CoDel's interval (RFC 8289 §3.2).
func (c *CircuitBreakers) overloadAfter() time.Duration {
	return max(c.PendingTimeout/10, 100*time.Millisecond)
}

func newQueue(b *Balancer) *queue { return &queue{b: b, line: list.New()} }

// A Waiter is one who waits for a lease. See Enqueue.
type Waiter struct {
	queue   *queue
	request Request
	wake    func()
	timer   *time.Timer
	element *list.Element // nil: the wait is over
	choosy  bool          // not everybody will do
	lease   Lease
	err     error
}

// Enqueue waits for a lease without keeping anybody: it is Pick for who was refused,
// see CanWait, until PendingTimeout or, unless that is the zero time, by. When the
// wait is over wake is called, once, from any goroutine and perhaps before Enqueue
// returns; it must not block. Leave then returns what it came to. r.Avoid is not to be
// changed before.
//
// Enqueue fails with an ErrSaturated where too many wait already, and where the
// service has no circuit breakers: then nobody waits.
func (b *Balancer) Enqueue(r Request, by time.Time, wake func()) (*Waiter, error) {
	s, q := b.snapshot.Load(), b.gates.queue
	if s.gates == nil {
		return nil, ErrSaturated
	}
	w := &Waiter{queue: q, request: r, wake: wake, err: ErrSaturated, choosy: s.choosy(&r)}
	if err := q.join(w, s.breakers, by); err != nil {
		return nil, err
	}
	q.admit() // whoever left before we were in the line did not see us
	return w, nil
}

// Wait is Pick for a caller that can wait where all is taken: at most for the
// service's PendingTimeout, and not after ctx has ended. A service without circuit
// breakers lets nobody wait.
func (b *Balancer) Wait(ctx context.Context, r Request) (Lease, error) {
	l, err := b.Pick(ctx, r)
	if !CanWait(err) {
		return l, err
	}
	over := make(chan struct{})
	w, err := b.Enqueue(r, time.Time{}, func() { close(over) })
	if err != nil {
		return Lease{}, err
	}
	select {
	case <-over:
		return w.Leave()
	case <-ctx.Done():
		if l, err = w.Leave(); errors.Is(err, ErrSaturated) {
			err = ctx.Err()
		}
		return l, err
	}
}

// Leave ends the wait, and returns what it came to: a lease, which is to be ended,
// or why there is none. Where it had come to nothing so far it gives up the place in
// the line, and wake is not called any more. Call it exactly once.
func (w *Waiter) Leave() (Lease, error) {
	q := w.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(w)
	return w.lease, w.err
}

// join puts w at the end of the line.
func (q *queue) join(w *Waiter, c *CircuitBreakers, by time.Time) error {
	patience := c.PendingTimeout
	if !by.IsZero() {
		patience = min(patience, time.Until(by))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.MaxPendingRequests > 0 && int64(q.line.Len()) >= c.MaxPendingRequests {
		return errPending
	}
	if q.line.Len() == 0 {
		q.since = q.b.flow.clock()
	}
	q.total++
	w.element = q.line.PushBack(w)
	q.count(w, 1)
	w.timer = time.AfterFunc(patience, w.expire)
	return nil
}

// count counts n more of w's kind in the line.
func (q *queue) count(w *Waiter, n int64) {
	q.waiting.Add(n)
	if !w.choosy {
		q.plain.Add(n)
	}
}

// remove takes w out of the line, if it is there. Caller holds q.mu.
func (q *queue) remove(w *Waiter) bool {
	if w.element == nil {
		return false
	}
	q.line.Remove(w.element)
	w.element = nil
	q.count(w, -1)
	w.timer.Stop()
	return true
}

// expire ends a wait that has taken too long.
func (w *Waiter) expire() {
	q := w.queue
	q.mu.Lock()
	over := q.remove(w)
	if over {
		w.err = errWaited
	}
	q.mu.Unlock()
	if over {
		w.wake()
	}
}

// admit serves who can be served now. Nobody is woken while the lock is held, so wake
// may do as it likes.
func (q *queue) admit() {
	for q.waiting.Load() != 0 {
		w := q.next()
		if w == nil {
			return
		}
		w.wake()
	}
}

// choosy reports whether not everybody will do for the request: one that waits may be
// passed by those who are less particular, and does not keep others waiting.
func (s *Snapshot) choosy(r *Request) bool { return s.exact != nil || r.Strict || len(r.Avoid) > 0 }

// choosyTries is how many of the choosy are asked in vain before the others of them
// have to wait for another lease to end. Who is bound to the endpoint that another was
// refused just before has not to be asked.
const choosyTries = 16

// bound is the endpoint that alone will do for the request, or "".
func (s *Snapshot) bound(r *Request) string {
	if r.Strict && s.exact == nil {
		return r.Sticky
	}
	return ""
}

// next ends the wait of one who can be served, or who never will be, and returns it;
// nil: there is none.
func (q *queue) next() *Waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, tries := q.b.snapshot.Load(), 0
	first, then := q.line.Front(), (*list.Element).Next
	if q.overloaded(s) {
		first, then = q.line.Back(), (*list.Element).Prev
	}
	var full [choosyTries]string // the endpoints that some were bound to in vain
	for e := first; e != nil; e = then(e) {
		w := e.Value.(*Waiter)
		if w.choosy {
			to := s.bound(&w.request)
			if tries == choosyTries || to != "" && slices.Contains(full[:tries], to) {
				continue
			}
			full[tries] = to
			tries++
		}
		l, err := s.enter(&w.request)
		switch {
		case !errors.Is(err, ErrSaturated) || s.gates == nil:
			q.remove(w)
			w.lease, w.err = l, err
			return w
		case !w.choosy:
			return nil // nor can anybody else be served
		}
	}
	return nil
}

// overloaded reports whether the newest is to be served first. Caller holds q.mu.
func (q *queue) overloaded(s *Snapshot) bool {
	return s.breakers != nil && q.line.Len() > 0 && q.b.flow.clock()-q.since >= int64(s.breakers.overloadAfter())
}

// MaxConnections is the service's limit of that name, as it is now; 0: none. It may be
// called from any goroutine.
func (b *Balancer) MaxConnections() int64 {
	s := b.snapshot.Load()
	if s.breakers == nil {
		return 0
	}
	return s.breakers.MaxConnections
}

// QueueStatus is what circuit breakers have come to.
type QueueStatus struct {
	// Limits are the service's circuit breakers.
	Limits CircuitBreakers
	// Active is how many leases are held that count for MaxConnections and
	// MaxRequests, Queued how many wait for one, and QueuedTotal how many ever did.
	Active, Queued int64
	QueuedTotal    uint64
	// Overloaded: the line has been there for so long that the newest is served first.
	Overloaded bool
}

// Queue returns what the service's circuit breakers have come to, or nil if it has
// none. It may be called from any goroutine.
func (b *Balancer) Queue() *QueueStatus {
	s, q := b.snapshot.Load(), b.gates.queue
	if s.gates == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return &QueueStatus{
		Limits: *s.breakers,
		Active: s.gates.places.Active(), Queued: int64(q.line.Len()), QueuedTotal: q.total,
		Overloaded: q.overloaded(s),
	}
}
