package http

import (
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

// A client is one accepted connection.
type client struct {
	engine *Engine
	conn   *netio.Conn
	peer   netip.AddrPort // who connected; zero on a Unix socket
	local  netip.AddrPort
	peerIP []byte // peer's address as text
	// localText is a Host for requests that have none.
	localText []byte
	in        window    // bytes from the client
	current   *exchange // nil between exchanges
	served    int       // exchanges that ended well
	now       time.Time // when the last exchange ended, or the client connected

	// phase lets a drain know which connections it may close.
	phase atomic.Int32
	// endpoint is the connection that the current exchange uses.
	endpoint atomic.Pointer[netio.Conn]
}

// The phases of a client.
const (
	busy    = iota // in an exchange
	fresh          // connected, and waiting for the first request
	between        // waiting for the next request
)

func newClient(e *Engine, conn *netio.Conn) *client {
	c := &client{engine: e, conn: conn, now: time.Now(), peer: addrPort(conn.RemoteAddr()), local: addrPort(conn.LocalAddr())}
	if c.peer.IsValid() {
		c.peerIP = c.peer.Addr().AppendTo(make([]byte, 0, 40))
		c.localText = c.local.AppendTo(make([]byte, 0, 48))
	} else {
		c.localText = []byte("localhost")
	}
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// exchanges lends the memory of exchanges to clients that have a request.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// serve handles one exchange after the other.
func (c *client) serve() {
	defer c.in.release()
	for c.awaitRequest() {
		x := exchanges.Get().(*exchange)
		c.current = x
		keep := x.serve(c)
		c.current = nil
		x.reset()
		exchanges.Put(x)
		if !keep {
			return
		}
		c.served++
	}
}

// awaitRequest waits for a request's first byte. It reports false when the
// connection is to be closed instead.
func (c *client) awaitRequest() bool {
	if !c.in.empty() {
		return true // pipelined
	}
	c.in.release()
	set := c.engine.settings.Load()
	phase, wait := int32(between), set.KeepaliveTimeout
	if c.served == 0 {
		phase, wait = fresh, set.ClientTimeout
	}
	c.conn.ReadBy(after(c.now, wait))
	c.phase.Store(phase)
	if c.engine.draining.Load() { // after phase is set: Drain sees that, or we see this
		c.hurry(phase)
	}
	runtime.Gosched() // as in receive: the next request is not here yet
	b, err := c.conn.Receive(buffers)
	if err != nil && c.engine.draining.Load() && !c.conn.Idle() && !c.conn.Gone() {
		// The request came as the drain closed the door.
		c.conn.ReadBy(time.Now().Add(freshGrace))
		b, err = c.conn.Receive(buffers)
	}
	c.phase.Store(busy)
	if err != nil {
		return false
	}
	c.in.adopt(b)
	return true
}

// freshGrace is how long a drain waits for the first request of a connection:
// who has just connected is about to send one.
const freshGrace = time.Second

// hurry makes a client that waits for a request stop waiting: it is draining.
func (c *client) hurry(phase int32) {
	switch phase {
	case between:
		c.conn.ReadBy(time.Now())
	case fresh:
		c.conn.ReadBy(time.Now().Add(freshGrace))
	}
}

// after is the time d after t; the zero time, never, where d is 0.
func after(t time.Time, d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return t.Add(d)
}

// lingerBytes and lingerTime bound what is still read from a client that was
// answered before it had sent everything.
const (
	lingerBytes = 1 << 20
	lingerTime  = 2 * time.Second
)

// linger closes the connection to a client that may still be sending. Closing
// at once would make the kernel answer what comes with a reset, and that can
// overtake the response (RFC 9112 §9.6).
func (c *client) linger() {
	if c.conn.CloseWrite() != nil {
		return
	}
	c.conn.ReadBy(time.Now().Add(lingerTime))
	c.in.release()
	for left := lingerBytes; left > 0; {
		b, err := c.conn.Receive(buffers)
		if err != nil {
			return
		}
		left -= len(b.B)
		b.Free()
	}
}
