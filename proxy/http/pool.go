package http

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// Pools keeps idle connections to endpoints, a stack for each: the one used
// last is the likeliest to be alive and has the warmest caches, and those at
// the bottom grow old and are closed. Create it with NewPools.
type Pools struct {
	mu    sync.Mutex
	stack atomic.Pointer[map[*balance.Load]*stack]
}

// maxIdle is how many connections to one endpoint are kept.
const maxIdle = 1024

// stack is one endpoint's idle connections, the oldest first.
type stack struct {
	mu   sync.Mutex
	idle []*endpointConn
	gone bool // swept away: put nothing here
}

// endpointConn is a connection to an endpoint.
type endpointConn struct {
	*netio.Conn
	addr    string
	reused  bool      // it has carried an exchange before
	expires time.Time // idle since too long; zero: never
}

// NewPools returns empty pools.
func NewPools() *Pools {
	p := new(Pools)
	p.stack.Store(new(map[*balance.Load]*stack))
	return p
}

// get returns an idle connection to e, or nil. It is alive as far as the kernel
// knows, and nothing has arrived on it that nobody asked for: such bytes would
// pass for the next response.
func (p *Pools) get(e *balance.Endpoint, now time.Time) *endpointConn {
	s := (*p.stack.Load())[e.Load]
	if s == nil {
		return nil
	}
	for {
		c := s.pop()
		if c == nil {
			return nil
		}
		if c.addr == e.Addr && (c.expires.IsZero() || now.Before(c.expires)) && c.Idle() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

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

// put gives back a connection that has carried a whole exchange.
func (p *Pools) put(e *balance.Endpoint, c *endpointConn, expires time.Time) {
	c.expires = expires
	if !p.of(e).push(c) {
		c.Close()
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

// of returns e's stack, made if there is none.
func (p *Pools) of(e *balance.Endpoint) *stack {
	if s := (*p.stack.Load())[e.Load]; s != nil {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all := *p.stack.Load()
	if s := all[e.Load]; s != nil {
		return s
	}
	grown := maps.Clone(all)
	if grown == nil {
		grown = make(map[*balance.Load]*stack)
	}
	s := new(stack)
	grown[e.Load] = s
	p.stack.Store(&grown)
	return s
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
			for _, s := range *p.stack.Load() {
				s.sweep(now)
			}
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
		if (c.expires.IsZero() || now.Before(c.expires)) && c.Idle() {
			alive = append(alive, c)
		} else {
			c.Close()
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
func (p *Pools) Retain(keep func(*balance.Load) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := make(map[*balance.Load]*stack)
	for load, s := range *p.stack.Load() {
		if keep(load) {
			kept[load] = s
			continue
		}
		s.mu.Lock()
		s.gone = true
		closeAll(s.idle)
		s.idle = nil
		s.mu.Unlock()
	}
	p.stack.Store(&kept)
}

func closeAll(conns []*endpointConn) {
	for _, c := range conns {
		c.Close()
	}
}
