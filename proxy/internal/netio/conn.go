package netio

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is a stream connection that reads and writes with as little between
// the caller and the kernel as the platform allows (see the package comment).
//
// It is a net.Conn with one promise less: at most one goroutine reads and one
// writes at a time. Everything else may be called from anywhere at any time.
type Conn struct {
	net     net.Conn
	sock    *Conn    // whose socket Gone, Idle and Abort look at: c, or the Conn below TLS; nil: there is none
	raw     raw      // the system calls; not in use where raw.on is false
	records *records // below TLS; nil: there is no TLS

	// local and remote are what the addresses are said to be; nil: the socket's.
	local, remote net.Addr

	ahead []byte // where the platform cannot peek: what Peek has shown, and nobody read

	lazy    bool       // net survives a timer that fires too early
	timers  sync.Mutex // held while the runtime's timers are set
	readBy  deadline
	writeBy deadline

	received atomic.Int64
	sent     atomic.Int64
}

// Wrap returns c as a Conn, which owns it from here on. A c that is one already
// is returned as it is.
func Wrap(c net.Conn) *Conn {
	if w, ok := c.(*Conn); ok {
		return w
	}
	w := &Conn{net: c}
	w.readBy.init()
	w.writeBy.init()
	switch n := c.(type) {
	case *net.TCPConn, *net.UnixConn:
		w.sock = w
		w.lazy = true
		w.raw.attach(w)
	case interface{ NetConn() net.Conn }: // crypto/tls.Conn
		if below, ok := n.NetConn().(*Conn); ok {
			w.sock = below
		}
	}
	return w
}

// Read reads what is there, and waits only where nothing is. The end of the
// stream is io.EOF. An error is a *net.OpError that keeps its system call's
// identity; a deadline that has passed is os.ErrDeadlineExceeded.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := c.read(p)
		if n > 0 {
			c.received.Add(int64(n))
			return n, err
		}
		if err == nil || !c.resumable(err, &c.readBy) {
			return n, err
		}
	}
}

func (c *Conn) read(p []byte) (int, error) {
	if c.raw.on {
		return c.rawRead(p)
	}
	if len(c.ahead) > 0 {
		return c.fromAhead(p), nil
	}
	n, err := c.net.Read(p)
	if c.records != nil {
		c.records.more.Store(n == len(p))
	}
	return n, err
}

// Write writes all of p or fails. After an error it is not known how much of p
// the peer has seen, and the connection is of no more use.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.WriteBuffers(p, nil)
	return int(n), err
}

// WriteBuffers writes a and then b, in one system call where there is one for
// it. Either may be empty. Errors are as with Write.
func (c *Conn) WriteBuffers(a, b []byte) (int64, error) {
	var done int64
	for len(a)+len(b) > 0 {
		n, err := c.write(a, b)
		done += int64(n)
		if err != nil && !c.resumable(err, &c.writeBy) {
			return done, writeError(c, err)
		}
		k := min(n, len(a))
		a, b = a[k:], b[n-k:]
	}
	return done, nil
}

// write makes one attempt, which may end early.
func (c *Conn) write(a, b []byte) (int, error) {
	if c.raw.on {
		return c.rawWrite(a, b) // counts what it sends while it goes
	}
	switch {
	case len(a) == 0:
		a = b
	case len(b) > 0 && c.records != nil:
		g := gather(a, b)
		defer g.Free()
		a = g.B
	}
	n, err := c.net.Write(a)
	c.sent.Add(int64(n))
	return n, err
}

// writeError makes sure that WriteFailed knows err, whatever net made of it.
func writeError(c *Conn, err error) error {
	if WriteFailed(err) {
		return err
	}
	return opError("write", c, err)
}

// WriteFailed reports whether err comes from writing: whether, of the two
// connections that Splice or a copy moved bytes between, the destination failed.
func WriteFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "write"
}

func opError(op string, c *Conn, err error) error {
	return &net.OpError{Op: op, Net: c.network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *Conn) network() string {
	if a := c.LocalAddr(); a != nil {
		return a.Network()
	}
	return ""
}

// Received is the number of bytes read so far, by whichever call. Like Sent it
// moves while a long call is under way: two equal sums of both, taken some time
// apart, say that the connection was idle meanwhile.
func (c *Conn) Received() int64 { return c.received.Load() }

// Sent is the number of bytes the kernel has taken for sending so far.
func (c *Conn) Sent() int64 { return c.sent.Load() }

// CloseWrite says that nothing more will be written, and leaves reading open.
// Only TCP, unix and TLS connections can; others return errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	if c.records != nil {
		return c.records.closeWrite(c.TLS())
	}
	h, ok := c.net.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return h.CloseWrite()
}

// Close closes the connection. Calls that are blocked in it fail with
// net.ErrClosed. Over TLS it first says close_notify, if it has not been said,
// and waits at most 5 s for a peer that takes nothing.
func (c *Conn) Close() error {
	if c.records != nil {
		c.WriteBy(time.Now().Add(parting))
	}
	return c.net.Close()
}

// Abort closes the connection so that a TCP peer learns that something went
// wrong: it gets a reset (RST), and what was not sent yet is thrown away.
func (c *Conn) Abort() {
	if c.sock != nil {
		if t, ok := c.sock.net.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a connection that is gone already needs no reset
			if c.sock != c {
				_ = t.Close() // before TLS can say good-bye
			}
		}
	}
	_ = c.net.Close()
}

// Gone reports whether the peer has closed or reset the connection, without
// consuming anything: bytes that came before may still be unread. A peer that
// has only closed its sending side is gone too: the two look the same. Where
// the platform cannot tell it is false.
func (c *Conn) Gone() bool { return c.sock != nil && c.sock.gone() }

// Broken reports whether the connection was reset, or is closed in both
// directions: nothing can be written any more. Where the platform cannot tell
// it is false.
func (c *Conn) Broken() bool { return c.sock != nil && c.sock.broken() }

// BrokenOff reports whether an end that was read was none: the peer has reset the
// connection, and who was told keeps it to himself. Where the platform cannot tell
// it is false.
func (c *Conn) BrokenOff() bool {
	return c.records == nil && c.sock != nil && c.sock.brokenOff(c.Received())
}

// Idle is for connections kept for later: it is true only if nothing is
// readable and the peer has not closed. Where that cannot be known it is false.
func (c *Conn) Idle() bool { return c.sock != nil && c.records.quiet() && c.sock.idle() }

// Unread reports whether there is something to read, be it the end, or that
// cannot be known.
func (c *Conn) Unread() bool { return !c.Idle() }

// SetAddrs makes LocalAddr and RemoteAddr return other addresses than the
// socket's, such as those that a proxy in front has told of. It is to be called
// before others use c.
func (c *Conn) SetAddrs(local, remote net.Addr) { c.local, c.remote = local, remote }

// LocalAddr returns the address of this end, or what SetAddrs has made of it.
func (c *Conn) LocalAddr() net.Addr {
	if c.local != nil {
		return c.local
	}
	return c.net.LocalAddr()
}

// RemoteAddr returns the peer's address, or what SetAddrs has made of it.
func (c *Conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.net.RemoteAddr()
}

// NetConn returns the connection that Wrap was given. Reading and writing it
// is for those who no longer use c.
func (c *Conn) NetConn() net.Conn { return c.net }

// SetDeadline is ReadBy and WriteBy, for net.Conn's sake.
func (c *Conn) SetDeadline(t time.Time) error {
	c.ReadBy(t)
	c.WriteBy(t)
	return nil
}

// SetReadDeadline is ReadBy, for net.Conn's sake.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.ReadBy(t)
	return nil
}

// SetWriteDeadline is WriteBy, for net.Conn's sake.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.WriteBy(t)
	return nil
}

// resumable reports whether err is only a timer that fired before the wanted
// time; it is set anew then, and the call may go on.
func (c *Conn) resumable(err error, d *deadline) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.lazy && c.rearm(d)
}

var _ net.Conn = (*Conn)(nil)
