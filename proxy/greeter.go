package proxy

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/proxyproto"
)

// A greeter reads PROXY headers, each in its connection's goroutine.
type greeter struct {
	mu      sync.Mutex
	waiting map[*netio.Conn]struct{}
	until   time.Time // nobody waits longer; zero: no matter
}

// greet returns a connection as its engine is to see it; nil: it was closed, for
// want of a header.
func (g *greeter) greet(l *Listener, conn net.Conn) net.Conn {
	peer := netio.AddrPort(conn.RemoteAddr())
	expected := l.expects(peer)
	if expected == nil {
		return conn
	}
	c := netio.Wrap(conn)
	g.begin(c, expected.deadline(time.Now()))
	defer g.end(c)
	h, err := l.readHeader(c, peer)
	if err != nil {
		c.Abort()
		return nil
	}
	if from := arrival(h, peer); from.Local.IsValid() {
		c.SetAddrs(net.TCPAddrFromAddrPort(from.Local), net.TCPAddrFromAddrPort(from.Peer))
	}
	return c
}

// readHeader takes the header that c begins with, and not a byte more.
func (l *Listener) readHeader(c *netio.Conn, peer netip.AddrPort) (h proxyproto.Header, err error) {
	b := headerBuffers.Get().(*headerBuffer)
	defer headerBuffers.Put(b)
	n := 0
	for err = proxyproto.ErrShort; err == proxyproto.ErrShort; {
		if n, err = c.Peek(b[:], n); err == nil {
			h, err = proxyproto.Parse(b[:n])
		}
	}
	if err == nil {
		err = c.Take(b[:h.Size])
	}
	if err != nil {
		l.noHeader(peer, err, b[:n])
		return h, err
	}
	l.counters[HeaderRead].Add(1)
	return h, nil
}

func (g *greeter) begin(c *netio.Conn, by time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == nil {
		g.waiting = make(map[*netio.Conn]struct{})
	}
	g.waiting[c] = struct{}{}
	if !g.until.IsZero() && (by.IsZero() || g.until.Before(by)) {
		by = g.until
	}
	c.ReadBy(by)
}

func (g *greeter) end(c *netio.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, c)
	c.ReadBy(time.Time{})
}

// hurry gives those that wait, and those to come, until then.
func (g *greeter) hurry(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = until
	for c := range g.waiting {
		c.ReadBy(until)
	}
}
