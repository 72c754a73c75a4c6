package http

import (
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

// A client is one accepted connection. It is small: most of the time it waits
// for its next request, and there may be very many.
type client struct {
	*site
	conn link
	from address // who connected; zero on a Unix socket
	// served says that an exchange has ended.
	served bool
	// phase lets a drain know which connections it may close.
	phase   atomic.Int32
	in      window    // bytes from the client
	current *exchange // nil between exchanges
	since   instant   // when the last exchange ended, or the client connected

	// endpoint is the connection that the current exchange uses.
	endpoint atomic.Pointer[endpointConn]
}

// A site is what all clients of an engine have in common, on the same loop.
type site struct {
	engine *Engine
	driver driver
	ended  func() // to be called when a client of a loop is gone
	// tls is what was agreed with the client, the only one of its site then; nil:
	// it does not speak TLS.
	tls *proxy.TLSInfo
}

// scheme is that of the client's requests.
func (s *site) scheme() string {
	if s.tls != nil {
		return "https"
	}
	return "http"
}

// An address is a netip.AddrPort without a zone, in two thirds of the space.
type address struct {
	ip   [16]byte
	port uint16
	kind uint8 // bits of the IP address; 0: there is none
}

func addressOf(ap netip.AddrPort) address {
	a := address{port: ap.Port(), kind: uint8(ap.Addr().BitLen())}
	if ap.IsValid() {
		a.ip = ap.Addr().As16()
	}
	return a
}

// peer is who connected.
func (c *client) peer() netip.AddrPort {
	switch ip := netip.AddrFrom16(c.from.ip); c.from.kind {
	case 0:
		return netip.AddrPort{}
	case 32:
		return netip.AddrPortFrom(ip.Unmap(), c.from.port)
	default:
		return netip.AddrPortFrom(ip, c.from.port)
	}
}

// The phases of a client.
const (
	busy    = iota // in an exchange
	fresh          // connected, and waiting for the first request
	between        // waiting for the next request
)

// serve handles the request whose first bytes are in c.in. It reports whether
// the connection can carry another.
func (c *client) serve() (keep bool) {
	x := c.driver.memory().exchange()
	c.current = x
	keep, over := x.serve(c)
	if over {
		c.release(x)
	}
	return keep
}

// release takes the exchange's memory back.
func (c *client) release(x *exchange) {
	c.current = nil
	x.reset()
	c.driver.memory().takeBack(x)
	c.served = true
}

// rest says which phase a client without a request is in, and until when it may
// be.
func (c *client) rest() (phase int32, by time.Time) {
	set := c.engine.settings.Load()
	if !c.served {
		return fresh, after(c.since.time(), set.ClientTimeout)
	}
	return between, after(c.since.time(), set.KeepaliveTimeout)
}

// panicked keeps a panic in one connection's handling from ending the others'.
// The connection is closed by whoever calls it.
func (c *client) panicked(value any) {
	c.engine.logPanic(c.peer(), value, debug.Stack())
	if x := c.current; x != nil {
		x.abandon()
	}
}

// abort closes the connections of a client that is in the midst of something.
func (c *client) abort() {
	c.conn.Abort()
	if e := c.endpoint.Load(); e != nil {
		e.Interrupt()
	}
}

// freshGrace is how long a drain waits for the first request of a connection, and
// for the next one of who has just been answered: both are about to send one. With
// its answer they learn that it was the last; to close at once would leave it open
// whether the request on its way was heard (RFC 9112 §9.3.1).
const freshGrace = time.Second

// An instant is a time.Time in a third of the space.
type instant time.Duration

var origin = time.Now()

func instantOf(t time.Time) instant { return instant(t.Sub(origin)) }

func (i instant) time() time.Time { return origin.Add(time.Duration(i)) }

// after is the time d after t; the zero time, never, where d is 0.
func after(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return t.Add(d)
}

// lingerBytes and lingerTime bound what is still read from a client that will
// get no more answers.
const (
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// justAnswered reports whether the last response may still be on its way.
func (c *client) justAnswered() bool {
	return c.served && time.Since(c.since.time()) < lingerTime
}

// linger closes the connection to a client that may still be sending, in stages.
// Closing at once would make the kernel answer what comes with a reset, and that
// can overtake the response (RFC 9112 §9.6).
func (c *client) linger() {
	if c.conn.CloseWrite() != nil {
		return
	}
	c.conn.ReadBy(time.Now().Add(lingerTime))
	c.in.release()
	for left := lingerBytes; left > 0; {
		b, err := c.conn.Receive(c.driver.memory().buffers)
		if err != nil {
			return
		}
		left -= len(b.B)
		b.Free()
	}
}
