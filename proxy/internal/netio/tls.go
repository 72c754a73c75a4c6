package netio

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// TLSServer returns the server's side of TLS over c, which belongs to it from
// here on. Handshake, or the first Read, Receive or Write, makes the handshake.
//
// It is a Conn like any other, with these differences. An end that the peer did
// not announce with a close_notify alert is ErrTruncated: it may be an
// attacker's (RFC 8446 §6.1). Received and Sent count what is inside TLS. There
// is no splicing.
func TLSServer(c *Conn, config *tls.Config) *Conn { return overTLS(c, tls.Server, config) }

// TLSClient is TLSServer for the client's side.
func TLSClient(c *Conn, config *tls.Config) *Conn { return overTLS(c, tls.Client, config) }

func overTLS(below *Conn, side func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) *Conn {
	r := &records{below: below}
	return &Conn{net: side(r, config), sock: below.sock, records: r}
}

// TLS returns the connection of package tls, nil where c does not speak TLS.
// Reading, writing and closing it is c's business.
func (c *Conn) TLS() *tls.Conn {
	t, _ := c.net.(*tls.Conn)
	return t
}

// Await waits until the peer has sent something, within ReadBy, and holds no
// memory meanwhile that it need not. It is for before a handshake.
func (c *Conn) Await() error {
	if c.records.held != nil {
		return nil
	}
	return c.records.fill()
}

// Handshake makes the handshake, within ReadBy and WriteBy. It is for the
// goroutine that reads and writes.
func (c *Conn) Handshake() error { return c.TLS().Handshake() }

// KeptWaiting reports whether whoever reads c, which is over TLS, waits for the
// peer: as opposed to for a processor, with something to read. Where the platform
// cannot tell the two apart they are the same.
func (c *Conn) KeptWaiting() bool {
	return c.records.waiting.Load() && (!canProbe || c.sock == nil || c.sock.idle())
}

// ErrTruncated is the end of a connection over TLS without a close_notify.
var ErrTruncated error = truncated{}

type truncated struct{}

func (truncated) Error() string { return "netio: TLS connection ended without close_notify" }

// parting is how long Close may wait to tell the peer.
const parting = 5 * time.Second

// records is the network as package tls sees it. It hands over one record at a
// time, so that what has come and was not read yet is here, where it can be
// asked for, and not inside package tls. And it can wait for a record before
// anybody holds a buffer for what is in it.
type records struct {
	below *Conn
	held  *Buffer // what has come and was not handed over; nil: nothing
	at    int     // held.B[at:] is that
	// dry makes Read return errDry instead of waiting.
	dry bool
	// The record under way: how much of its header was handed over, and how
	// much of the rest was not.
	header, left int

	waiting atomic.Bool // for the peer
	waits   atomic.Bool // held is not nil
	more    atomic.Bool // package tls may have plaintext that was not asked for
}

const recordHeader = 5 // type, version, and length of a record (RFC 8446 §5.1)

// ciphertext is what is read from sockets below TLS: more than a whole record.
var ciphertext = NewPool(32 << 10)

// errDry is taken by package tls for a timeout, after which one may go on.
var errDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "netio: nothing to read" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

// fill waits for something to hold.
func (r *records) fill() error {
	r.waiting.Store(true)
	b, err := r.below.Receive(ciphertext)
	r.waiting.Store(false)
	if err == io.EOF {
		return ErrTruncated // package tls does not read on behind a close_notify
	}
	if err != nil {
		return err
	}
	r.held, r.at = b, 0
	r.waits.Store(true)
	return nil
}

// Read implements net.Conn.
func (r *records) Read(p []byte) (int, error) {
	if r.held == nil {
		if r.dry {
			return 0, errDry
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	rest := r.held.B[r.at:]
	n := copy(p, rest[:r.within(rest[:min(len(p), len(rest))])])
	if r.at += n; r.at == len(r.held.B) {
		r.held.Free()
		r.held = nil
		r.waits.Store(false)
	}
	return n, nil
}

// within returns how many of b, which are next, belong to the record under way,
// and notes that they are handed over.
func (r *records) within(b []byte) int {
	n := 0
	for ; r.header < recordHeader && n < len(b); n++ {
		r.left = r.left<<8 | int(b[n]) // in the end the last two bytes: the length
		r.header++
	}
	if r.header < recordHeader {
		return n
	}
	r.left &= 1<<16 - 1
	k := min(r.left, len(b)-n)
	if r.left -= k; r.left == 0 {
		r.header = 0
	}
	return n + k
}

// receiveTLS is receive for a Conn over TLS.
func (c *Conn) receiveTLS(p *Pool) (*Buffer, error) {
	// First, as package tls remembers for ever how a handshake has failed, be it
	// with errDry. Once it is made this is a look at a flag.
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	r := c.records
	r.dry = true
	defer func() { r.dry = false }()
	for {
		if r.held == nil && !r.more.Load() {
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
		b := p.Get()
		n, err := c.read(b.store)
		if n > 0 {
			b.B = b.store[:n]
			return b, nil
		}
		b.Free()
		if err != errDry { // else: half a record, or one without data
			return nil, err
		}
	}
}

// quiet reports whether nothing is here that was read from the socket.
func (r *records) quiet() bool { return r == nil || !r.waits.Load() && !r.more.Load() }

// gather puts a and as much of b as fits a record into one: a head and the
// beginning of its body.
func gather(a, b []byte) *Buffer {
	g := plaintext.Get()
	n := copy(g.store, a)
	n += copy(g.store[n:], b)
	g.B = g.store[:n]
	return g
}

// plaintext has the size of the largest record's content.
var plaintext = NewPool(16 << 10)

// closeWrite says close_notify, and then ends the stream below as well: some
// peers wait for that.
func (r *records) closeWrite(t *tls.Conn) error {
	if err := t.CloseWrite(); err != nil {
		return err
	}
	return r.below.CloseWrite()
}

// CloseWrite is for who has found that the peer does not speak TLS.
func (r *records) CloseWrite() error { return r.below.CloseWrite() }

// Write implements net.Conn.
func (r *records) Write(p []byte) (int, error) { return r.below.Write(p) }

// Close implements net.Conn.
func (r *records) Close() error { return r.below.Close() }

// LocalAddr implements net.Conn.
func (r *records) LocalAddr() net.Addr { return r.below.LocalAddr() }

// RemoteAddr implements net.Conn.
func (r *records) RemoteAddr() net.Addr { return r.below.RemoteAddr() }

// Package tls sets deadlines of its own, five seconds for a close_notify. A slow
// reader may take longer, and how long it may is for the Conn's user to say.

// SetDeadline implements net.Conn.
func (*records) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*records) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*records) SetWriteDeadline(time.Time) error { return nil }
