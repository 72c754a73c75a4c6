package tlsfront

import (
	"container/list"
	"sync"
	"time"
)

// A crowd is the clients whose handshakes are not over. Those that have said
// something take memory, so there is a limit to how many may keep us waiting.
// Beyond it, who has been at it longest has to go: a client that means well takes
// a few round trips, and in a flood of those that do not, it is not the oldest.
//
// It is another matter who waits for us. After a restart all clients are back at
// once, and the processors need their time: to send the oldest away, who are
// nearly there, would serve nobody.
type crowd struct {
	limit int

	mu     sync.Mutex
	silent map[*client]struct{}
	begun  map[*client]*list.Element
	order  list.List // of *client: begun, by age
	closed bool
}

const (
	// patience is how long a client that has begun may stay, whatever the crowd, as
	// long as that is no more than crush times the limit.
	patience = time.Second
	crush    = 4
	// looks is how many clients are looked at for each that begins.
	looks = 64
)

// arrive adds a client that has said nothing yet. It reports false where the
// crowd is closed.
func (d *crowd) arrive(c *client) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if d.silent == nil {
		d.silent, d.begun = make(map[*client]struct{}), make(map[*client]*list.Element)
	}
	d.silent[c] = struct{}{}
	return true
}

// begin notes that c has said something.
func (d *crowd) begin(c *client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.silent, c)
	c.begun = time.Now()
	d.begun[c] = d.order.PushBack(c)
	at := d.order.Front()
	for n := 0; n < looks && at != nil && d.order.Len() > d.limit; n++ {
		oldest := at.Value.(*client)
		at = at.Next()
		if c.begun.Sub(oldest.begun) < patience && d.order.Len() <= crush*d.limit {
			break // as are all others
		}
		if oldest.conn.KeptWaiting() {
			d.forget(oldest)
			oldest.left.Store(true)
			oldest.conn.Abort()
		}
	}
}

// leave removes a client whose handshake is over, be it well or not.
func (d *crowd) leave(c *client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(c)
}

// forget is leave for who holds d.mu.
func (d *crowd) forget(c *client) {
	delete(d.silent, c)
	if at, ok := d.begun[c]; ok {
		d.order.Remove(at)
		delete(d.begun, c)
	}
}

// each calls f with every client.
func (d *crowd) each(f func(*client)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.silent {
		f(c)
	}
	for c := range d.begun {
		f(c)
	}
}

func (d *crowd) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// close resets every client, present and future.
func (d *crowd) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.each(func(c *client) { c.conn.Abort() })
}
