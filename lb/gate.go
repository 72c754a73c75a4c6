package lb

import (
	"context"

	"github.com/spillway-lb/spillway/balance"
)

// A gate is where the leases of a service with circuit breakers come in and go out.
// A lease has a pointer to the one it came through, and to nothing where its
// service has none.
type gate struct {
	places *balance.Load // held by leases; nil: those of this gate hold none
	queue  *queue
}

// gates are the two that a balancer has. They outlive snapshots, so that a reload
// with other limits forgets nobody.
type gates struct {
	gate          // of leases with a place
	visitors gate // of leases without: see PickAgain
}

func newGates(b *Balancer) *gates {
	q := newQueue(b)
	return &gates{gate: gate{new(balance.Load), q}, visitors: gate{nil, q}}
}

// leave is the end of a lease, after its endpoint has its slot back.
func (g *gate) leave() {
	if g.places != nil {
		g.places.Release()
	}
	if g.queue.waiting.Load() != 0 {
		g.queue.admit()
	}
}

// comesAfter reports whether others wait for anybody: they go before who would take
// anybody, too.
func (s *Snapshot) comesAfter(r *Request) bool {
	return s.gates.queue.plain.Load() != 0 && !s.choosy(r)
}

// pickGated is Pick for a service with circuit breakers.
func (s *Snapshot) pickGated(r *Request) (Lease, error) {
	q := s.gates.queue
	if s.comesAfter(r) {
		return Lease{}, ErrSaturated
	}
	l, err := s.enter(r)
	if err != nil && q.waiting.Load() != 0 {
		q.admit() // our place may have been the one that somebody missed
	}
	return l, err
}

// refusal is what pickGated would refuse the request with before it looks for an
// endpoint, or nil. It takes nothing.
func (s *Snapshot) refusal(r *Request) error {
	if s.gates == nil {
		return nil
	}
	if s.comesAfter(r) {
		return ErrSaturated
	}
	if most, full := s.breakers.most(); most > 0 && s.gates.places.Active() >= most {
		return full
	}
	return nil
}

// enter takes a place at the gate, if the service has one, and a lease.
func (s *Snapshot) enter(r *Request) (Lease, error) {
	if s.gates == nil {
		return s.search(r)
	}
	most, full := s.breakers.most()
	if !s.gates.places.Acquire(most) {
		return Lease{}, full
	}
	l, err := s.search(r)
	if err != nil {
		s.gates.places.Release()
		return Lease{}, err
	}
	l.gate = &s.gates.gate
	return l, nil
}

// PickAgain is Pick for work that holds a lease and is to try another endpoint
// instead, such as a retry. It is still the same work: the place that it has in the
// service's circuit breakers goes over to the new lease. held must be ended all the
// same.
func (b *Balancer) PickAgain(_ context.Context, r Request, held *Lease) (Lease, error) {
	s := b.snapshot.Load()
	l, err := s.search(&r)
	if err == nil && held.gate != nil {
		l.gate, held.gate = held.gate, &b.gates.visitors
	}
	return l, err
}
