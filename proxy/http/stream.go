package http

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// stream is the driver with a goroutine for each client's connection, and a
// second one while a request body is being uploaded.
type stream struct{ *Engine }

// shared is the memory that goroutines borrow from.
var shared = memory{
	buffers: buffers, small: smallBuffers,
	exchange: func() *exchange { return exchanges.Get().(*exchange) },
	takeBack: func(x *exchange) { exchanges.Put(x) },
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func (stream) memory() *memory { return &shared }

func (stream) now() time.Time { return time.Now() }

func (stream) pause() { runtime.Gosched() }

func (stream) local(l link) netip.AddrPort { return netio.AddrPort(l.(*netio.Conn).LocalAddr()) }

func (s stream) home(e *balance.Endpoint) home { return s.opt.Pools.of(e) }

func (s stream) dial(_ *client, svc *proxy.Service, e *balance.Endpoint, timeout time.Duration) (*endpointConn, error) {
	conn, err := secure.Dial(s.aborting, secure.Options{Endpoint: e, TLS: svc.TLS, Timeout: timeout})
	if err != nil {
		return nil, err
	}
	return &endpointConn{link: conn, addr: e.Addr, tls: svc.TLS}, nil
}

func (stream) splice(dst, src link, n int64) (int64, error) {
	return netio.Splice(dst.(*netio.Conn), src.(*netio.Conn), n)
}

func (stream) latch() latch { return make(chanLatch) }

func (stream) open(l latch) { l.Open() }

func (stream) makeRoom(p *Pools, of []balance.Candidate) bool {
	return p.discardOne(of) || p.discardOneOnLoops(of, nil)
}

func (s stream) upload(u *upload) {
	u.done = s.latch()
	go u.Run()
}

func (stream) relay(x *exchange, o relay.Options) *failure {
	r := relay.New(x.c.conn.(*netio.Conn), x.conn.link.(*netio.Conn), o)
	return x.relayed(r.Run())
}

// chanLatch is the latch for goroutines.
type chanLatch chan struct{}

func (l chanLatch) Open() { close(l) }

func (l chanLatch) Wait(d time.Duration) bool {
	if d < 0 {
		<-l
		return true
	}
	select {
	case <-l:
		return true
	default:
	}
	if d == 0 {
		return false
	}
	select {
	case <-l:
		return true
	case <-time.After(d):
		return false
	}
}

// ServeConn serves one client until its connection is closed.
func (e *Engine) ServeConn(conn net.Conn) {
	link := netio.Wrap(conn)
	c := &client{site: &site{engine: e, driver: stream{e}, tls: proxy.TLSInfoOf(link)}, conn: link, since: instantOf(time.Now()), from: addressOf(netio.AddrPort(link.RemoteAddr()))}
	defer link.Close()
	if !e.add(c) {
		return
	}
	defer e.remove(c)
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
		}
	}()
	defer c.in.release()
	for c.awaitRequest() && c.serve() {
	}
}

// awaitRequest waits for a request's first byte. It reports false when the
// connection is to be closed instead.
func (c *client) awaitRequest() bool {
	if !c.in.empty() {
		return true // pipelined
	}
	c.in.release()
	phase, by := c.rest()
	c.conn.ReadBy(by)
	c.phase.Store(phase)
	if c.engine.draining.Load() { // after phase is set: Drain sees that, or we see this
		c.hurry(phase)
	}
	c.driver.pause() // as in receive: the next request is not here yet
	b, err := c.conn.Receive(buffers)
	if err != nil && c.engine.draining.Load() && !c.conn.Gone() && (c.justAnswered() || !c.conn.Idle()) {
		// The request came as the drain closed the door, or is about to.
		c.conn.ReadBy(time.Now().Add(freshGrace))
		b, err = c.conn.Receive(buffers)
	}
	c.phase.Store(busy)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && c.justAnswered() {
			c.linger()
		}
		return false
	}
	c.in.adopt(b)
	return true
}

// hurry makes a client that waits for a request stop waiting: it is draining.
func (c *client) hurry(phase int32) {
	switch phase {
	case between:
		c.conn.ReadBy(longAgo)
	case fresh:
		c.conn.ReadBy(time.Now().Add(freshGrace))
	}
}
