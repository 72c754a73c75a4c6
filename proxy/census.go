package proxy

import (
	"sync"
	"time"
)

// A Carrier can say what the connections that it has now carry. Engines are
// Carriers.
type Carrier interface {
	// Survey has every connection to one of c's endpoints added to c. It does not
	// wait for who answers later: that is what c.Expect is for.
	Survey(c *Census)
}

// A Burden is what is on one endpoint at one moment.
type Burden struct {
	// Connections is how many there are: of TCP, tunnels, requests under way or UDP
	// sessions. Those that are just being made are not among them.
	Connections int64
	// Bytes is what they have carried so far, both ways. A connection to an endpoint that
	// HTTP requests share counts with all that it has carried.
	Bytes uint64
	// Oldest is when the first of them began; the zero time where there is none.
	Oldest time.Time
}

// A Census adds up what is on some endpoints, over all engines. Nobody keeps such
// sums while traffic runs: who wants to know has connections walked.
type Census struct {
	of map[Place]*Burden // its keys do not change

	mu      sync.Mutex // guards what of points to, and what follows
	pending int
	done    chan struct{} // closed when the last of pending has answered
}

// TakeCensus asks carriers what is on places. It waits for event loops that have
// other things to do first, but no longer than patience: then what they have is
// missing.
func TakeCensus(carriers []Carrier, places []Place, patience time.Duration) map[Place]Burden {
	c := &Census{of: make(map[Place]*Burden, len(places)), pending: 1, done: make(chan struct{})}
	for _, p := range places {
		c.of[p] = new(Burden)
	}
	for _, carrier := range carriers {
		carrier.Survey(c)
	}
	c.answered()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[Place]Burden, len(places))
	for p, b := range c.of {
		out[p] = *b
	}
	return out
}

// Add counts a connection to an endpoint, if that is one of the census. since is
// when it began, bytes what it has carried.
func (c *Census) Add(to Place, since time.Time, bytes int64) {
	b := c.of[to]
	if b == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b.Connections++
	b.Bytes += uint64(max(bytes, 0))
	if b.Oldest.IsZero() || since.Before(b.Oldest) {
		b.Oldest = since
	}
}

// Expect says that somebody answers later, who is to call answered, once.
func (c *Census) Expect() (answered func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending++
	return c.answered
}

func (c *Census) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending--; c.pending == 0 {
		close(c.done)
	}
}
