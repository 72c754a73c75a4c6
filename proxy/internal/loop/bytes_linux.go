package loop

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// What follows is what tasks do with a Conn, and what may be asked of it. How it
// learns of news, and who waits for them, is in conn_linux.go.

// Receive reads what is there into a buffer that is lent by p once there is
// something, and that the caller frees. The end of the stream is io.EOF.
func (c *Conn) Receive(p *netio.Pool) (*netio.Buffer, error) {
	if err := c.begin(c.readBy); err != nil {
		return nil, err
	}
	for {
		b, err := c.takeBuffer(p)
		if b != nil {
			c.loop.spend(max(len(b.B), callCost))
			return b, nil
		}
		if err == nil {
			err = c.awaitReadable()
		}
		if err != nil {
			return nil, err
		}
	}
}

// takeBuffer is take, into a buffer that is lent by p if there is something; no
// buffer and no error mean that nothing is there.
func (c *Conn) takeBuffer(p *netio.Pool) (*netio.Buffer, error) {
	if c.state&readable == 0 {
		return nil, nil
	}
	b := p.Get()
	n, err := c.take(b.Space())
	if n == 0 {
		b.Free()
		return nil, err
	}
	b.B = b.Space()[:n]
	return b, nil
}

// Read reads what is there, and waits only where nothing is. The end of the
// stream is io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.begin(c.readBy); err != nil {
		return 0, err
	}
	for {
		if c.state&readable != 0 {
			if n, err := c.recv(p); n > 0 || err != nil {
				return n, err
			}
		}
		if err := c.awaitReadable(); err != nil {
			return 0, err
		}
	}
}

// recv is take for tasks.
func (c *Conn) recv(p []byte) (int, error) {
	n, err := c.take(p)
	if n > 0 { // else it is about to wait, and must not miss what for
		c.loop.spend(max(n, callCost))
	}
	return n, err
}

// take makes one call. Nothing read and no error mean that nothing is there.
func (c *Conn) take(p []byte) (int, error) {
	n, emptied, errno := sys.Recv(int(c.fd), p)
	switch {
	case n > 0:
		// What comes later is told of; only an end that was told of already
		// would be forgotten. And the kernel stops before urgent data, whatever
		// there is behind it (RFC 6093).
		if emptied && c.state&(hungUp|urgent|registered) == registered {
			c.state &^= readable
		}
		c.received += int64(n)
		return n, nil
	case errno == 0:
		return 0, io.EOF
	case errno == syscall.EAGAIN:
		c.state &^= readable
		return 0, nil
	}
	return 0, c.failed("read", "recvfrom", errno)
}

// WriteBuffers writes a and then b, in one call where there is one for it.
// After an error it is not known how much the peer has seen.
func (c *Conn) WriteBuffers(a, b []byte) (int64, error) {
	var done int64
	if err := c.begin(c.writeBy); err != nil {
		return 0, writeError(err)
	}
	for len(a)+len(b) > 0 {
		if c.state&writable == 0 {
			if err := c.awaitWritable(); err != nil {
				return done, writeError(err)
			}
			continue // it may have been woken for nothing
		}
		n, err := c.give(a, b)
		if err != nil {
			return done, err
		}
		done += int64(n)
		k := min(n, len(a))
		a, b = a[k:], b[n-k:]
	}
	c.loop.spend(callCost) // last: c may be closed when others have had their turn
	return done, nil
}

// give makes one call. Nothing sent and no error mean that there is no room.
func (c *Conn) give(a, b []byte) (int, error) {
	n, errno := sys.Send(int(c.fd), a, b)
	switch {
	case errno == syscall.EAGAIN:
		c.state &^= writable
		return 0, nil
	case errno != 0:
		return 0, c.failed("write", "sendto", errno)
	}
	c.sent += int64(n)
	return n, nil
}

// Write writes all of p or fails.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.WriteBuffers(p, nil)
	return int(n), err
}

func (c *Conn) failed(op, call string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// writeError makes err one that netio.WriteFailed knows.
func writeError(err error) error {
	return &net.OpError{Op: "write", Net: "tcp", Err: err}
}

// Broken reports whether the kernel has told that nothing can be written any
// more. A peer that has closed looks like one that has only finished sending,
// until it is written to.
func (c *Conn) Broken() bool { return c.state&failed != 0 }

// BrokenNow is Broken, and asks the kernel.
func (c *Conn) BrokenNow() bool {
	const broken = unix.POLLERR | unix.POLLHUP
	return c.Broken() || c.state&closed == 0 && sys.Poll(int(c.fd), 0)&broken != 0
}

// BrokenOff reports whether an end that was read was none: the peer has reset the connection, and a splice to it has
// not told.
func (c *Conn) BrokenOff() bool { return c.state&closed == 0 && sys.BrokenOff(int(c.fd), c.received) }

// Closed reports whether this end is closed.
func (c *Conn) Closed() bool { return c.state&closed != 0 }

// Received is the number of bytes read so far, by whichever call.
func (c *Conn) Received() int64 { return c.received }

// Sent is the number of bytes the kernel has taken for sending so far.
func (c *Conn) Sent() int64 { return c.sent }

// Idle is for connections kept for later: true only if nothing is readable and
// the peer has not closed.
func (c *Conn) Idle() bool {
	if c.state&closed != 0 {
		return false
	}
	_, errno := sys.Peek(int(c.fd))
	return errno == syscall.EAGAIN
}

// Unread reports whether bytes have come that were not read.
func (c *Conn) Unread() bool {
	if c.state&closed != 0 {
		return false
	}
	n, _ := sys.Peek(int(c.fd))
	return n > 0
}

// Quiet is Idle, and asks the kernel only where it has not told: something that
// came since the loop's turn began is not seen.
func (c *Conn) Quiet() bool {
	switch {
	case c.state&(closed|hungUp) != 0:
		return false
	case c.state&readable == 0:
		return true
	case !c.Idle():
		return false
	}
	if c.state&registered != 0 {
		c.state &^= readable
	}
	return true
}

const finOrWorse = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR

// Gone reports whether the peer has closed or reset the connection, without
// consuming anything.
func (c *Conn) Gone() bool {
	return c.state&closed != 0 || sys.Poll(int(c.fd), unix.POLLIN|unix.POLLRDHUP)&finOrWorse != 0
}

// CloseWrite says that nothing more will be written, and leaves reading open.
func (c *Conn) CloseWrite() error {
	if c.state&closed != 0 {
		return net.ErrClosed
	}
	return sys.ShutdownWrite(int(c.fd))
}

// Close closes the connection, if it was ever attached. Tasks that wait for it
// fail with net.ErrClosed.
func (c *Conn) Close() error {
	if c.state&closed != 0 || c.loop == nil {
		return nil
	}
	c.state |= closed
	if c.timer.next != nil {
		c.timer.unlink()
	}
	c.wakeBoth()
	if c.fd < 0 { // its name is still being resolved
		return nil
	}
	c.loop.conns[c.fd] = nil
	return sys.Close(int(c.fd))
}

// Abort closes the connection so that a TCP peer learns that something went
// wrong: it gets a reset, and what was not sent yet is thrown away.
func (c *Conn) Abort() {
	if c.state&closed == 0 && c.loop != nil {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_ = c.Close()
}

// Local is the address of this end; invalid for a Unix socket.
func (c *Conn) Local() netip.AddrPort { return sys.LocalAddr(int(c.fd)) }
