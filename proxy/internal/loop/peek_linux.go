package loop

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// What follows is for a Handler that looks at the first bytes of a connection,
// takes those that are for it, and hands the socket on.

// PeekNow copies what there is to read into p and leaves it there. ended says
// that nothing will follow. Whoever wants more than there is calls Expect.
func (c *Conn) PeekNow(p []byte) (n int, ended bool, err error) {
	if c.state&closed != 0 {
		return 0, false, net.ErrClosed
	}
	n, errno := sys.PeekAt(int(c.fd), p)
	switch {
	case errno == syscall.EAGAIN:
		return 0, false, nil
	case errno != 0:
		return 0, false, c.failed("read", "recvfrom", errno)
	}
	// What the kernel has told came before we looked.
	return n, n == 0 || c.state&hungUp != 0, nil
}

// Expect makes sure that the handler is told of what comes, and once of what is
// here already if it was never told of anything.
func (c *Conn) Expect() error {
	if c.state&closed != 0 {
		return net.ErrClosed
	}
	return c.expect()
}

// TakeNow reads the len(p) bytes that PeekNow has shown first.
func (c *Conn) TakeNow(p []byte) (err error) {
	sys.Calmly(func() {
		for len(p) > 0 && err == nil {
			n, _, errno := sys.Recv(int(c.fd), p)
			if n <= 0 {
				err = c.failed("read", "recvfrom", errno)
				return
			}
			p = p[n:]
		}
	})
	return err
}

// Detach takes c off its loop and returns its socket, which is the caller's from
// here on. It is for a connection that no task waits for; c is closed then.
func (c *Conn) Detach() (fd int) {
	if c.state&registered != 0 {
		c.control(unix.EPOLL_CTL_DEL)
	}
	c.state = closed
	if c.timer.next != nil {
		c.timer.unlink()
	}
	c.loop.conns[c.fd] = nil
	return int(c.fd)
}
