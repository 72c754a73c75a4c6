package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// streamWire is the wire without event loops: a goroutine reads what clients send,
// and one for each session what its endpoint answers. Their sockets are connected,
// so the kernel sees to it that nobody else is heard.
type streamWire struct {
	x    *shard
	conn *net.UDPConn
	kind kind
	mu   sync.Mutex // holds the shard
	all  sync.WaitGroup
	over chan struct{}
	left atomic.Bool // another process reads what clients send
}

// openStream opens one socket for all, if there is none yet.
func (l *Listener) openStream() error {
	if len(l.opt.Sockets) == 0 {
		conn, err := listenPacket(l.opt.Addr, false)
		if err != nil {
			return err
		}
		l.addStream(conn)
		return nil
	}
	for _, f := range l.opt.Sockets {
		conn, err := adopt(f)
		if err != nil {
			return err
		}
		l.addStream(conn)
	}
	return nil
}

func (l *Listener) addStream(conn *net.UDPConn) {
	l.local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	x := newShard(l)
	x.wire = &streamWire{x: x, conn: conn, kind: kindOfConn(conn), over: make(chan struct{})}
	l.shards = append(l.shards, x)
}

// adopt makes a listening socket of one that somebody else has opened; f stays the
// caller's.
func adopt(f *os.File) (*net.UDPConn, error) {
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", f.Name(), err)
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("socket %s is not of UDP", f.Name())
	}
	if err := configure(conn); err != nil {
		_ = c.Close()
		return nil, err
	}
	return conn, nil
}

func (w *streamWire) file() (*os.File, error) { return w.conn.File() }

func (w *streamWire) leave() {
	w.left.Store(true)
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // long ago: who waits is to look
}

func (w *streamWire) now() time.Time { return time.Now() }
func (w *streamWire) flush()         {}
func (w *streamWire) wait()          { w.all.Wait() }
func (w *streamWire) discard() error { return w.conn.Close() }

func (w *streamWire) close() {
	_ = w.conn.Close()
	close(w.over)
}

// enter calls f now; it may wait for who holds the shard.
func (w *streamWire) enter(f func()) {
	w.all.Go(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		f()
	})
}

func (w *streamWire) start() {
	w.all.Go(w.readClients)
	w.all.Go(w.expire)
}

// expire expires sessions until the end.
func (w *streamWire) expire() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-w.over:
			return
		}
		w.mu.Lock()
		next := maxTick
		if !w.x.ending {
			if d := w.x.expire(); d > 0 {
				next = d
			}
			next = min(next, max(w.x.of.idle()/8, minTick))
		}
		w.mu.Unlock()
		timer.Reset(next)
	}
}

func (w *streamWire) readClients() {
	b, oob := make([]byte, largest), make([]byte, controlSize)
	for {
		n, m, _, client, err := w.conn.ReadMsgUDPAddrPort(b, oob)
		if errors.Is(err, net.ErrClosed) || w.left.Load() && err != nil {
			return
		}
		if err != nil {
			continue // of a datagram that could not be delivered (Windows)
		}
		local := w.kind.local
		if w.kind.wildcard {
			local = destination(oob[:m], &w.kind)
		}
		w.mu.Lock()
		if !w.x.ending {
			w.x.look()
			w.x.fromClient(flow{client: canonical(client), local: local}, b[:n])
		}
		w.mu.Unlock()
	}
}

func (w *streamWire) toClient(s *session, b []byte) {
	var source [controlSize]byte
	n := putSource(&source, s.flow, &w.kind)
	if _, _, err := w.conn.WriteMsgUDPAddrPort(b, source[:n], s.client); err != nil {
		w.x.drop(dropOf(errnoOf(err)))
	}
}

func (w *streamWire) toEndpoint(s *session, b []byte) {
	p := s.port
	if _, err := p.stream.Write(b); err != nil {
		w.x.unsent(s, p, b, errnoOf(err)) // an earlier one's error, too, is a reason not to send
	}
}

// open opens a socket for sessions of one endpoint, one after the other.
func (w *streamWire) open(to *remote) (*port, error) {
	conn, err := dial(to)
	if err != nil {
		return nil, err
	}
	p := &port{only: to, stream: conn, shut: func() { _ = conn.Close() }}
	w.all.Go(func() { w.readEndpoint(p, to.addr) })
	return p, nil
}

func (w *streamWire) readEndpoint(p *port, from netip.AddrPort) {
	for {
		b, err := receive(p.stream)
		if b == nil || errors.Is(err, net.ErrClosed) {
			return
		}
		w.mu.Lock()
		w.x.look()
		switch {
		case w.x.ending:
		case err != nil:
			w.x.failed(p, from, errnoOf(err), nil)
		default:
			w.x.fromEndpoint(p, from, b.data())
		}
		w.mu.Unlock()
		b.free()
	}
}

// A room is where a datagram is received.
type room struct {
	n     int
	space [largest]byte
}

var rooms = sync.Pool{New: func() any { return new(room) }}

func (r *room) data() []byte { return r.space[:r.n] }

func (r *room) free() { rooms.Put(r) }
