package proxy

import (
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/proxyproto"
)

// A greeting is a connection on a loop whose PROXY header is to come. It needs no
// task: it looks each time that there is more, and hands the socket on.
type greeting struct {
	loop.Conn
	of       *onLoops
	acceptor *loop.Acceptor
	peer     netip.AddrPort
}

// greet takes an accepted connection over until its header is here.
func (o *onLoops) greet(a *loop.Acceptor, l *loop.Loop, fd int, peer netip.AddrPort, h *ProxyHeaders) {
	g := &greeting{of: o, acceptor: a, peer: peer}
	l.Attach(&g.Conn, fd, g)
	g.ReadBy(h.deadline(l.Now()))
	g.Ready() // it is probably here
}

// Ready looks at what there is. A panic there ends the connection.
func (g *greeting) Ready() {
	well := false
	defer func() {
		if !well {
			g.Abort()
			g.acceptor.Done()
		}
	}()
	g.look()
	well = true
}

func (g *greeting) look() {
	if g.Closed() { // the loop ends
		g.acceptor.Done()
		return
	}
	h, err := g.header()
	switch err {
	case proxyproto.ErrShort:
	case nil:
		g.handOn(h)
	default:
		g.Abort()
		g.acceptor.Done()
	}
}

// header takes the header, and not a byte more. Where the error is ErrShort the
// loop will tell of more.
func (g *greeting) header() (h proxyproto.Header, err error) {
	b := headerBuffers.Get().(*headerBuffer)
	defer headerBuffers.Put(b)
	n, ended, err := g.PeekNow(b[:])
	if err == nil {
		h, err = proxyproto.Parse(b[:n])
	}
	switch {
	case err == nil:
		err = g.TakeNow(b[:h.Size])
	case err != proxyproto.ErrShort:
	case ended:
		err = io.EOF
	case g.Expired():
		err = os.ErrDeadlineExceeded
	default:
		if err = g.Expect(); err == nil {
			return h, proxyproto.ErrShort
		}
	}
	if err != nil {
		g.of.of.noHeader(g.peer, err, b[:n])
		return h, err
	}
	g.of.of.counters[HeaderRead].Add(1)
	return h, nil
}

func (g *greeting) handOn(h proxyproto.Header) {
	l, fd := g.Loop(), g.Detach()
	g.acceptor.Hand(l, fd, func() { g.of.engine.ServeOn(g.acceptor, l, fd, arrival(h, g.peer)) })
}

// hurry gives those that wait until then.
func (o *onLoops) hurry(until time.Time) {
	for _, l := range o.engine.Loops().All() {
		l.Post(func() {
			l.Each(func(h loop.Handler) {
				if g, ok := h.(*greeting); ok && g.of == o {
					g.ReadBy(until)
				}
			})
		})
	}
}
