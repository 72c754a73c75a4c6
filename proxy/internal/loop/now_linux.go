package loop

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// These calls never wait, and need no task: they are for a Handler that moves
// bytes itself. Deadlines do not concern them. Where one finds nothing to read,
// or no room to write, the handler is told once that has changed.

// ReceiveNow reads what is there into a buffer lent by p, which the caller
// frees; nil where nothing is there. The end of the stream is io.EOF.
func (c *Conn) ReceiveNow(p *netio.Pool) (*netio.Buffer, error) {
	if c.state&closed != 0 {
		return nil, net.ErrClosed
	}
	if b, err := c.takeBuffer(p); b != nil || err != nil {
		return b, err
	}
	return nil, c.expect()
}

// WriteNow writes as much of p as there is room for. Its errors are those of
// Write.
func (c *Conn) WriteNow(p []byte) (done int, err error) {
	if c.state&closed != 0 {
		return 0, writeError(net.ErrClosed)
	}
	for done < len(p) {
		if c.state&writable == 0 {
			return done, c.expectRoom()
		}
		n, err := c.give(p[done:], nil)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// WriteBuffersNow writes as much of a and then b as there is room for, and says
// whether that was all. Its errors are those of Write. The handler is not told of
// room: a task is to write the rest.
func (c *Conn) WriteBuffersNow(a, b []byte) (done int64, all bool, err error) {
	if c.state&closed != 0 {
		return 0, false, writeError(net.ErrClosed)
	}
	for len(a)+len(b) > 0 && c.state&writable != 0 {
		n, err := c.give(a, b)
		done += int64(n)
		if err != nil {
			return done, false, err
		}
		k := min(n, len(a))
		a, b = a[k:], b[n-k:]
	}
	return done, len(a)+len(b) == 0, nil
}

// FillNow moves what is there into an empty pipe, as far as that holds it, and
// says how much it was. The end of the stream is io.EOF; netio.ErrNoSplice says
// that the bytes have to be read.
func (c *Conn) FillNow(pipe *sys.Pipe) (int, error) {
	if c.state&closed != 0 {
		return 0, net.ErrClosed
	}
	if c.state&readable != 0 {
		if n, err := c.fill(pipe, pipe.Size); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, c.expect()
}

// DrainNow writes as many of the n bytes in a pipe as there is room for. Its
// errors are those of Write.
func (c *Conn) DrainNow(pipe *sys.Pipe, n int) (done int, err error) {
	if c.state&closed != 0 {
		return 0, writeError(net.ErrClosed)
	}
	for done < n {
		if c.state&writable == 0 {
			return done, c.expectRoom()
		}
		k, err := c.empty(pipe, n-done)
		done += k
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Readable reports whether reading may find something. What it costs to be
// wrong is one call.
func (c *Conn) Readable() bool { return c.state&readable != 0 }

// Reset reports whether the peer is known to have broken the connection off, for
// those who do not read it now. Like the kernel it tells of that once: neither a
// write nor another Reset does then, and reading finds an end. A peer that closed
// in good order, and then refused what it was sent, did not break it off.
func (c *Conn) Reset() bool {
	if c.state&(failed|closed) != failed {
		return false
	}
	c.state &^= failed
	errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	return err == nil && errno != 0 && syscall.Errno(errno) != syscall.EPIPE
}

// expect makes sure that the handler is told of what comes.
func (c *Conn) expect() error {
	if !c.register() {
		return c.failed("read", "epoll_ctl", syscall.ENOMEM)
	}
	if sys.Faulty {
		c.rearm() // as in await
	}
	return nil
}

// expectRoom makes sure that the handler is told when there is room.
func (c *Conn) expectRoom() error {
	if !c.register() {
		return c.failed("write", "epoll_ctl", syscall.ENOMEM)
	}
	c.state |= blocked
	if sys.Faulty {
		c.rearm()
	}
	return nil
}
