package http

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// Pools keeps idle connections to endpoints, a stack for each: the one used
// last is the likeliest to be alive and has the warmest caches, and those at
// the bottom grow old and are closed. The zero value is ready to use.
type Pools struct {
	stacks sync.Map // *balance.Load to *stack
	loops  sync.Map // what the Loop driver keeps, by loop
}

// maxIdle is how many connections to one endpoint are kept.
const maxIdle = 1024

// stack is one endpoint's idle connections, the oldest first.
type stack struct {
	mu   sync.Mutex
	idle []*endpointConn
	gone bool // swept away: put nothing here
}

// of returns e's stack, made if there is none.
func (p *Pools) of(e *balance.Endpoint) *stack {
	s, ok := p.stacks.Load(e.Load)
	if !ok {
		s, _ = p.stacks.LoadOrStore(e.Load, new(stack))
	}
	return s.(*stack)
}

// get implements home. It always asks the kernel.
func (s *stack) get(e *balance.Endpoint, now time.Time, _ bool) *endpointConn {
	for {
		c := s.pop()
		if c == nil {
			return nil
		}
		if c.addr == e.Addr && c.doom.Load() == nil && (c.expires.IsZero() || now.Before(c.expires)) && c.reusable() {
			c.reused = true
			return c
		}
		c.discard()
	}
}

// reusable asks the kernel, and TLS, whether nothing has come that nobody asked
// for. Where it has, the connection is to be closed.
func (c *endpointConn) reusable() bool { return c.link.(*netio.Conn).Reusable() }

func (s *stack) pop() *endpointConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle) - 1
	if n < 0 {
		return nil
	}
	c := s.idle[n]
	s.idle[n] = nil
	s.idle = s.idle[:n]
	return c
}

// put implements home.
func (s *stack) put(c *endpointConn) {
	if !s.push(c) {
		c.discard()
	}
}

func (s *stack) push(c *endpointConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || len(s.idle) >= maxIdle {
		return false
	}
	s.idle = append(s.idle, c)
	return true
}

// Run closes idle connections that have grown too old or that the endpoint has
// closed, every few seconds until ctx ends, and then all of them.
func (p *Pools) Run(ctx context.Context) error {
	const every = 5 * time.Second
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			p.stacks.Range(func(_, s any) bool { s.(*stack).sweep(now); return true })
		case <-ctx.Done():
			p.Retain(func(*balance.Load) bool { return false })
			return nil
		}
	}
}

// sweep closes what is dead. What it looks at is out of the stack meanwhile.
func (s *stack) sweep(now time.Time) {
	s.mu.Lock()
	all := s.idle
	s.idle = nil
	s.mu.Unlock()

	alive := all[:0]
	for _, c := range all {
		if (c.expires.IsZero() || now.Before(c.expires)) && c.reusable() {
			alive = append(alive, c)
		} else {
			c.discard()
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		closeAll(alive)
		return
	}
	s.idle = append(alive, s.idle...) // those that came meanwhile are younger
}

// Retain closes the idle connections of endpoints that keep says are gone.
// Keep may be called later, too, and from any goroutine.
func (p *Pools) Retain(keep func(*balance.Load) bool) {
	p.retainOnLoops(keep)
	p.stacks.Range(func(load, s any) bool {
		if !keep(load.(*balance.Load)) {
			p.stacks.Delete(load)
			s.(*stack).empty()
		}
		return true
	})
}

// discardOne closes the oldest idle connection of one of these endpoints, and reports
// whether there was any.
func (p *Pools) discardOne(of []balance.Candidate) bool {
	for _, e := range of {
		if s, ok := p.stacks.Load(e.Load); ok && s.(*stack).discardOne() {
			return true
		}
	}
	return false
}

func (s *stack) discardOne() bool {
	s.mu.Lock()
	if len(s.idle) == 0 {
		s.mu.Unlock()
		return false
	}
	c := s.idle[0]
	s.idle = slices.Delete(s.idle, 0, 1)
	s.mu.Unlock()
	c.discard()
	return true
}

// empty closes everything, also what is still to come.
func (s *stack) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	closeAll(s.idle)
	s.idle = nil
}

func closeAll(conns []*endpointConn) {
	for _, c := range conns {
		c.discard()
	}
}
