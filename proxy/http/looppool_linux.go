package http

import (
	"slices"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// A loopPool has the idle connections of one loop. Nobody else touches it, so it
// needs no locks.
//
// What a connection must not have when it is lent again is bytes that nobody
// asked for. The kernel tells of those, and the connection is closed; but it
// tells at the loop's next turn. So a connection that comes back rests until
// then, and is lent without a system call to look at it. Only where there is no
// other is its rest disturbed.
type loopPool struct {
	loop    *loop.Loop
	stacks  map[*balance.Load]*loopStack
	resting []*loopEndpoint
	rested  func() // ends the rest; made once
	asked   bool   // it is to be called
}

// A loopStack is one endpoint's idle connections, the oldest first.
type loopStack struct {
	pool *loopPool
	idle []*loopEndpoint
	gone bool // the endpoint was removed: put nothing here
	// disturbed is how often there was no connection but those that rest.
	disturbed int
}

// A loopEndpoint is a connection to an endpoint on a loop.
type loopEndpoint struct {
	endpointConn
	loop.Conn
	kept  bool        // nobody uses it
	asker *loopClient // whose exchange waits for an answer without a task
}

func newLoopPool(l *loop.Loop) *loopPool {
	p := &loopPool{loop: l, stacks: make(map[*balance.Load]*loopStack)}
	p.rested = p.endRest
	return p
}

func (p *loopPool) of(e *balance.Endpoint) *loopStack {
	s := p.stacks[e.Load]
	if s == nil {
		s = &loopStack{pool: p}
		p.stacks[e.Load] = s
	}
	return s
}

// get implements home.
func (s *loopStack) get(e *balance.Endpoint, _ time.Time, sure bool) *endpointConn {
	for n := len(s.idle) - 1; n >= 0; n-- {
		c := s.idle[n]
		s.idle[n] = nil
		s.idle = s.idle[:n]
		if c.addr == e.Addr && c.Quiet() && (!sure || c.Idle()) {
			c.kept, c.reused = false, true
			return &c.endpointConn
		}
		c.discard()
	}
	return s.disturb(e)
}

// disturb returns a connection that rests, or nil. The kernel is asked, which is
// still cheaper than to make a new one; but where that happens again and again,
// one more connection is made, until there are enough.
func (s *loopStack) disturb(e *balance.Endpoint) *endpointConn {
	const again = 8
	p := s.pool
	if s.disturbed++; s.disturbed%again == 0 {
		return nil
	}
	for i, c := range p.resting {
		if c.endpointConn.home == s && c.addr == e.Addr && c.Idle() {
			p.resting = slices.Delete(p.resting, i, i+1)
			c.kept, c.reused = false, true
			return &c.endpointConn
		}
	}
	return nil
}

// put implements home.
func (s *loopStack) put(e *endpointConn) {
	c := e.link.(*loopEndpoint)
	if s.gone || len(s.idle) >= maxIdle || !c.Quiet() {
		c.discard()
		return
	}
	c.kept = true
	c.Conn.ReadBy(c.expires)
	c.Watch()
	p := s.pool
	if !p.asked {
		p.asked = true
		p.loop.AtNextTurn(p.rested)
	}
	p.resting = append(p.resting, c)
}

// endRest lends those again on which nothing has come.
func (p *loopPool) endRest() {
	p.asked = false
	for _, c := range p.resting {
		s := c.endpointConn.home.(*loopStack)
		switch {
		case c.Closed():
		case s.gone:
			c.discard()
		default:
			s.idle = append(s.idle, c)
		}
	}
	clear(p.resting)
	p.resting = p.resting[:0]
}

// Ready tells who waits for an answer. It closes a kept connection that
// something has come on, that the endpoint has closed, or that was kept for too
// long.
func (c *loopEndpoint) Ready() {
	if a := c.asker; a != nil {
		c.asker = nil
		defer a.rescue()
		a.answered(c)
		return
	}
	if !c.kept || c.Quiet() && !c.Expired() {
		return
	}
	c.discard()
	s := c.endpointConn.home.(*loopStack)
	if i := slices.Index(s.idle, c); i >= 0 { // else it rests
		s.idle = slices.Delete(s.idle, i, i+1)
	}
}

// retain closes the connections of endpoints that keep says are gone.
func (p *loopPool) retain(keep func(*balance.Load) bool) {
	for load, s := range p.stacks {
		if keep(load) {
			continue
		}
		s.gone = true
		for _, c := range s.idle {
			c.discard()
		}
		delete(p.stacks, load)
	}
}

// discardOne closes the oldest idle connection of one of these endpoints, and reports
// whether there was any.
func (p *loopPool) discardOne(of []balance.Candidate) bool {
	for _, e := range of {
		s := p.stacks[e.Load]
		if s == nil {
			continue
		}
		if len(s.idle) > 0 {
			c := s.idle[0]
			s.idle = slices.Delete(s.idle, 0, 1)
			c.discard()
			return true
		}
		if i := slices.IndexFunc(p.resting, func(c *loopEndpoint) bool { return c.endpointConn.home == s }); i >= 0 {
			c := p.resting[i]
			p.resting = slices.Delete(p.resting, i, i+1)
			c.discard()
			return true
		}
	}
	return false
}

// discardOneOnLoops leaves it to the loops but the one of here to close an idle
// connection each.
func (p *Pools) discardOneOnLoops(of []balance.Candidate, here any) bool {
	p.loops.Range(func(l, d any) bool {
		if d != here {
			l.(*loop.Loop).Post(func() { d.(*onLoop).pool.discardOne(of) })
		}
		return true
	})
	return false
}

// onLoop returns what runs exchanges on l.
func (p *Pools) onLoop(l *loop.Loop) *onLoop {
	d, ok := p.loops.Load(l)
	if !ok {
		d, _ = p.loops.LoadOrStore(l, newOnLoop(l))
	}
	return d.(*onLoop)
}

func (p *Pools) retainOnLoops(keep func(*balance.Load) bool) {
	p.loops.Range(func(l, d any) bool {
		l.(*loop.Loop).Post(func() { d.(*onLoop).pool.retain(keep) })
		return true
	})
}
