package proxy

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
)

// CircuitBreakers are those of a service that its engines see to themselves (spec.md
// §10.3). What leases are bounded by, and who waits for one, is the Balancer's: see
// [lb.CircuitBreakers].
type CircuitBreakers struct {
	// MaxRequestsPerConnection is, for HTTP, how many requests a connection to an
	// endpoint carries before it is closed; with 1 the endpoint is told so. 0: no limit.
	MaxRequestsPerConnection int
	// MaxRetries takes the place of the retry budget, see Service.TakeRetry. 0: it
	// does not.
	MaxRetries int64
}

// Overflows counts, by limit, those who were turned away because of it.
type Overflows [len(lb.Limits)]atomic.Uint64

// Count notes one whom an lb.ErrSaturated has turned away.
func (o *Overflows) Count(err error) { o[lb.LimitOf(err)].Add(1) }

// Connections counts an HTTP service's connections to its endpoints, whether they
// carry a request or are kept for the next, where there is a limit of them: the
// Balancer's, by which no more requests are under way than there may be connections.
// Those that were there before the limit was are not counted.
type Connections struct {
	open    balance.Load
	waiting atomic.Int64 // how many of line there are

	mu   sync.Mutex
	line list.List // of func(), of who waits for a place, the first first
}

// Take takes a place if fewer than most are taken, and reports whether it did.
func (c *Connections) Take(most int64) bool { return c.open.Acquire(most) }

// Open is how many places are taken.
func (c *Connections) Open() int64 { return c.open.Active() }

// Wanted reports whether somebody waits for a place: then a connection is better
// closed than kept for later.
func (c *Connections) Wanted() bool { return c.waiting.Load() != 0 }

// GiveBack gives back a place that Take took, and wakes one who waits for it.
func (c *Connections) GiveBack() {
	c.open.Release()
	if !c.Wanted() {
		return
	}
	c.mu.Lock()
	first := c.line.Front()
	c.remove(first)
	c.mu.Unlock()
	if first != nil {
		first.Value.(func())()
	}
}

// Await has wake called, once and from any goroutine, when a place was given back. It
// may have been taken again since: who is woken asks anew. Wake must not block. To
// leave is to wait no more; it is to be called in any case.
func (c *Connections) Await(wake func()) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.line.PushBack(wake)
	c.waiting.Add(1)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.remove(e)
	}
}

// remove takes e out of the line, if it is there. Caller holds c.mu.
func (c *Connections) remove(e *list.Element) {
	if e == nil {
		return
	}
	before := c.line.Len()
	c.line.Remove(e) // nothing, if it is not there
	c.waiting.Add(int64(c.line.Len() - before))
}
