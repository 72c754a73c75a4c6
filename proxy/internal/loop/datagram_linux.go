package loop

import (
	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// AttachDatagrams is Attach for a datagram socket, which only this loop's
// handlers read and write, by its descriptor. Nobody waits for room in it: it is
// not asked for, for the kernel would tell of it after every datagram that leaves.
func (l *Loop) AttachDatagrams(c *Conn, fd int, h Handler) {
	l.Attach(c, fd, h)
	c.deaf = true
}

// FD is the descriptor, for calls that Conn does not have.
func (c *Conn) FD() int { return int(c.fd) }

// Watched reports whether the kernel tells of changes. After Watch it does, unless
// it has no memory or is at a limit (max_user_watches).
func (c *Conn) Watched() bool { return c.state&registered != 0 }

// Unwatch makes the kernel tell of changes no more, which ReadBy's time does still.
func (c *Conn) Unwatch() {
	if c.state&(registered|closed) == registered {
		c.control(unix.EPOLL_CTL_DEL)
		c.state &^= registered
	}
}

// Drained is to be called when a call by the descriptor has found nothing (EAGAIN).
func (c *Conn) Drained() {
	if sys.Faulty {
		c.rearm() // that nothing is there may have been a lie
	}
}

// TakeFailure reports whether the kernel has told of an error since the last call.
func (c *Conn) TakeFailure() bool {
	told := c.state&failed != 0
	c.state &^= failed
	return told
}
