package lb

import "sync"

// A change is something that befell the members: apply makes it so, and reports
// whether the picker must be rebuilt even if the candidates are the same.
type change struct {
	apply func(*state) (rebuild bool, err error)
	err   error
}

// inbox holds changes that nobody has applied yet.
type inbox struct {
	mu      sync.Mutex
	changes []*change
}

func (q *inbox) put(c *change) {
	q.mu.Lock()
	q.changes = append(q.changes, c)
	q.mu.Unlock()
}

func (q *inbox) takeAll() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.changes
	q.changes = nil
	return all
}

// write makes one change and returns when a snapshot that includes it is
// published.
//
// There is one writer at a time: whoever holds b.mu. It applies everything that
// has come in, not just its own, and publishes once. So while a snapshot is
// being built, any number of changes gather behind the lock and together cost
// one more: a burst of health flips is one rebuild. And since the caller is the
// writer, a Balancer works the same with and without Run.
func (b *Balancer) write(apply func(*state) (bool, error)) error {
	c := &change{apply: apply}
	b.inbox.put(c)

	defer b.gates.queue.admit() // who waits may be served by what is new
	b.mu.Lock()
	defer b.mu.Unlock()
	// Empty: an earlier holder of the lock applied ours with its own.
	if changes := b.inbox.takeAll(); len(changes) > 0 {
		b.publish(changes)
	}
	return c.err
}

// publish applies changes and publishes what follows from them. Caller holds
// b.mu.
func (b *Balancer) publish(changes []*change) {
	rebuild, edits := false, b.state.edits
	for _, c := range changes {
		var r bool
		r, c.err = c.apply(&b.state)
		rebuild = rebuild || r
	}
	prev := b.snapshot.Load()
	if next := b.state.snapshot(prev, rebuild); next != prev {
		b.state.exact = next.isExact()
		b.snapshot.Store(next)
		prev.retire()
	}
	if b.state.edits != edits {
		select {
		case b.watchlist <- struct{}{}:
		default: // Run has not looked since the last time; once is enough
		}
	}
}
