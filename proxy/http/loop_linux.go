package http

import (
	"errors"
	"net/netip"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// onLoop is the driver whose connections live on an event loop. An exchange that
// has to wait is a task of that loop; between exchanges a client is a loopClient
// and nothing else.
type onLoop struct {
	*loop.Loop
	pool *loopPool
	own  memory
	idle []*exchange
	// tunnels are the clients that no longer speak HTTP.
	tunnels map[*loopClient]*relay.Joint
	// locals has where clients have connected to that is not where their sockets
	// are: most have no such address, and a client is to be small.
	locals map[*loopClient]netip.AddrPort
}

func newOnLoop(l *loop.Loop) *onLoop {
	d := &onLoop{Loop: l, pool: newLoopPool(l), tunnels: make(map[*loopClient]*relay.Joint),
		locals: make(map[*loopClient]netip.AddrPort)}
	d.own = memory{buffers: buffers.Local(), small: smallBuffers.Local(), exchange: d.exchange, takeBack: d.takeBack}
	return d
}

func (d *onLoop) memory() *memory { return &d.own }

// maxExchanges are kept for the next who has a request.
const maxExchanges = 512

func (d *onLoop) exchange() *exchange {
	n := len(d.idle) - 1
	if n < 0 {
		return new(exchange)
	}
	x := d.idle[n]
	d.idle[n] = nil
	d.idle = d.idle[:n]
	return x
}

func (d *onLoop) takeBack(x *exchange) {
	if len(d.idle) < maxExchanges {
		d.idle = append(d.idle, x)
	}
}

func (d *onLoop) now() time.Time { return d.Now() }

func (*onLoop) pause() {} // whoever waits lets others go first anyway

func (d *onLoop) local(l link) netip.AddrPort {
	c := l.(*loopClient)
	if at, ok := d.locals[c]; ok {
		return at
	}
	return c.Local()
}

func (d *onLoop) home(e *balance.Endpoint) home { return d.pool.of(e) }

func (d *onLoop) dial(c *client, s *proxy.Service, e *balance.Endpoint, timeout time.Duration) (*endpointConn, error) {
	if s.TLS != nil {
		return nil, errNoTLS
	}
	conn := new(loopEndpoint)
	conn.link, conn.addr = conn, e.Addr
	c.endpoint.Store(&conn.endpointConn)
	if err := d.Dial(&conn.Conn, e.Addr, timeout, conn); err != nil {
		c.endpoint.Store(nil)
		return nil, err
	}
	return &conn.endpointConn, nil
}

// errNoTLS keeps a service that was not meant for event loops from being sent
// plain text.
var errNoTLS = errors.New("http: endpoints that speak TLS cannot be reached from an event loop")

func (*onLoop) splice(dst, src link, n int64) (int64, error) {
	return loop.Splice(socketOf(dst), socketOf(src), n)
}

func socketOf(l link) *loop.Conn {
	if c, ok := l.(*loopClient); ok {
		return &c.Conn
	}
	return &l.(*loopEndpoint).Conn
}

func (d *onLoop) latch() latch { return &loopLatch{loop: d.Loop} }

func (d *onLoop) open(l latch) { d.Post(l.Open) }

func (d *onLoop) makeRoom(p *Pools, of []balance.Candidate) bool {
	return d.pool.discardOne(of) || p.discardOne(of) || p.discardOneOnLoops(of, d)
}

func (d *onLoop) upload(u *upload) {
	u.done = d.latch()
	d.Go(u)
}

func (d *onLoop) relay(x *exchange, o relay.Options) *failure {
	c := x.c.conn.(*loopClient)
	d.tunnels[c] = relay.Join(&c.Conn, socketOf(x.conn.link), o, func(cause relay.Cause) {
		delete(d.tunnels, c)
		d.Go(&tunnelEnd{c, cause})
	})
	return handedOver
}

// tunnelEnd is the task that ends an exchange whose tunnel has ended: a tunnel
// may last for days, and has no task meanwhile.
type tunnelEnd struct {
	*loopClient
	cause relay.Cause
}

func (t *tunnelEnd) Run() {
	x := t.current
	f := x.relayed(t.cause)
	x.noteEnd(f)
	x.finish(f)
	t.release(x)
	t.end()
}

// loopLatch is the latch for tasks.
type loopLatch struct {
	loop.Latch
	loop *loop.Loop
}

func (l *loopLatch) Wait(d time.Duration) bool { return l.loop.Wait(&l.Latch, d) }

// A loopClient is a client on a loop. While it waits for a request, this is all
// the memory that it takes.
type loopClient struct {
	client
	loop.Conn
}

// ServeOn serves one client on a loop. It is called there, and owns fd.
func (e *Engine) ServeOn(a *loop.Acceptor, l *loop.Loop, fd int, from proxy.Arrival) {
	c := &loopClient{client: client{site: e.siteOn(a, l), from: addressOf(from.Peer), since: instantOf(l.Now())}}
	c.conn = c
	if from.Local.IsValid() {
		c.driver.(*onLoop).locals[c] = from.Local
	}
	l.Attach(&c.Conn, fd, c)
	if e.isAborted() {
		c.end()
		return
	}
	defer c.rescue()
	c.next() // its request is probably here
}

// siteOn returns the site of clients from a on l.
func (e *Engine) siteOn(a *loop.Acceptor, l *loop.Loop) *site {
	type place struct {
		a *loop.Acceptor
		l *loop.Loop
	}
	s, ok := e.sites.Load(place{a, l})
	if !ok {
		s, _ = e.sites.LoadOrStore(place{a, l}, &site{engine: e, driver: e.opt.Pools.onLoop(l), ended: a.Done})
	}
	return s.(*site)
}

// Ready is called when something happens to a client that nobody waits for.
func (c *loopClient) Ready() {
	defer c.rescue()
	switch {
	case c.phase.Load() == busy:
		if c.Broken() {
			c.hurryUp()
		}
	case c.Closed():
		c.gone()
	case c.Expired() && !c.Readable():
		c.leave()
	default:
		c.phase.Store(busy)
		c.next()
	}
}

// rescue keeps a panic in one connection's handling from ending the others'. It
// is to be deferred.
func (c *loopClient) rescue() {
	if p := recover(); p != nil {
		c.Panicked(p, nil)
	}
}

// hurryUp makes an exchange that waits for its endpoint look what else has
// happened.
func (c *loopClient) hurryUp() {
	held := c.endpoint.Load()
	if held == nil {
		return
	}
	e := held.link.(*loopEndpoint)
	if e.asker == nil {
		e.Nudge()
		return
	}
	e.asker = nil
	c.later(toLook, nil)
}

// next begins with the next request, if it is here.
func (c *loopClient) next() {
	if !c.in.empty() || c.receive() {
		c.ask()
	}
}

// Run goes on with an exchange, as a task.
func (c *loopClient) Run() {
	keep, over := c.takeUp()
	if !over {
		return // it tunnels
	}
	c.release(c.current)
	if !keep {
		c.end()
		return
	}
	c.Loop().Spend(exchangeCost)
	c.next()
}

// exchangeCost is what an exchange counts as, in bytes moved. One that has to
// wait for its endpoint gives others their turn anyway; but a client can send
// those that are answered here faster than they are answered.
const exchangeCost = 8 << 10

// receive takes what the client has sent. Where that is nothing the client
// rests, or is gone.
func (c *loopClient) receive() bool {
	c.in.release()
	b, err := c.ReceiveNow(c.driver.memory().buffers)
	if b != nil {
		c.in.adopt(b)
		return true
	}
	if err != nil {
		c.end()
		return false
	}
	phase, by := c.rest()
	c.ReadBy(by)
	c.phase.Store(phase)
	if c.engine.draining.Load() {
		c.hurry()
	}
	c.Watch()
	return false
}

// Panicked is called after a panic in the client's handling.
func (c *loopClient) Panicked(value any, _ []byte) {
	defer c.end() // whatever else fails
	c.panicked(value)
}

func (c *loopClient) end() {
	c.in.release()
	_ = c.Conn.Close()
	c.gone()
}

// gone forgets a client whose connection is closed.
func (c *loopClient) gone() {
	delete(c.driver.(*onLoop).locals, c)
	c.ended()
}

// leave ends a client that waits for a request.
func (c *loopClient) leave() {
	if !c.justAnswered() {
		c.end()
		return
	}
	c.phase.Store(busy)
	c.Loop().Go(&farewell{c})
}

// farewell is the task that closes a client's connection in stages.
type farewell struct{ *loopClient }

func (f *farewell) Run() {
	f.linger()
	f.end()
}

// hurry ends a client that waits for a request: it is draining.
func (c *loopClient) hurry() {
	switch c.phase.Load() {
	case between:
		switch {
		case c.justAnswered():
			c.ReadBy(time.Now().Add(freshGrace))
		case c.Idle():
			c.leave()
		}
	case fresh:
		c.ReadBy(time.Now().Add(freshGrace))
	}
}

// eachOnLoops calls f, there, with each client that is on a loop.
func (e *Engine) eachOnLoops(f func(*loopClient)) {
	if e.opt.Loops == nil {
		return
	}
	for _, l := range e.opt.Loops.All() {
		l.Post(func() {
			l.Each(func(h loop.Handler) {
				if c, ok := h.(*loopClient); ok && c.engine == e {
					f(c)
				}
			})
		})
	}
}

func (e *Engine) drainLoops() { e.eachOnLoops((*loopClient).hurry) }

func (e *Engine) abortLoops() {
	e.eachOnLoops((*loopClient).cutOff)
	e.eachTunnel(func(_ *loopClient, t *relay.Joint) {
		t.Cut(relay.ClientGone) // no matter: it is the engine that was aborted
	})
}

func (e *Engine) cutOnLoops(doomed proxy.Doomed) {
	e.eachOnLoops(func(c *loopClient) {
		if c.cutIfDoomed(doomed) {
			c.hurryUp()
		}
	})
	e.eachTunnel(func(c *loopClient, t *relay.Joint) {
		if c.cutIfDoomed(doomed) {
			t.Cut(relay.EndpointReset) // no matter: the connection says why
		}
	})
}

// eachTunnel calls f, on their loops, with the clients that no longer speak HTTP.
func (e *Engine) eachTunnel(f func(*loopClient, *relay.Joint)) {
	if e.opt.Loops == nil {
		return
	}
	for _, l := range e.opt.Loops.All() {
		l.Post(func() {
			for c, t := range e.opt.Pools.onLoop(l).tunnels {
				if c.engine == e {
					f(c, t)
				}
			}
		})
	}
}

// cutOff closes a client at once.
func (c *loopClient) cutOff() {
	if c.phase.Load() != busy {
		c.Conn.Abort()
		c.end()
		return
	}
	c.abort()
	c.hurryUp()
}
