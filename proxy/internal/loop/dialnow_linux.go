package loop

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// ErrName says that an address is a name, which only Dial resolves.
var ErrName = errors.New("the address is a name")

// DialNow begins to connect to addr, "ip:port" or "unix:/path", and does not wait:
// h is told when Connected knows more. It needs no task, and there is no limit of
// time but the one that ReadBy sets. from is as for DialFrom, and may be nil. After
// an error c is closed.
func (l *Loop) DialNow(c *Conn, addr string, h Handler, from From) error {
	*c = Conn{loop: l, fd: -1, state: closed}
	if l.closing {
		return net.ErrClosed
	}
	to, ok := addressOf(addr)
	if !ok {
		return ErrName
	}
	fd, err := open(&to, from)
	if err != nil {
		return dialError(err)
	}
	l.Attach(c, fd, h)
	switch errno := sys.Connect(fd, &to); errno {
	case 0:
		return nil
	case unix.EINPROGRESS, unix.EINTR:
		c.state &^= readable | writable
		if err = c.expectRoom(); err == nil {
			return nil
		}
	default:
		err = os.NewSyscallError("connect", errno)
	}
	_ = c.Close()
	return dialError(err)
}

// Connected reports whether a connection that DialNow began is made; an error
// says that it will not be, and keeps the identity of its system call.
func (c *Conn) Connected() (bool, error) {
	switch {
	case c.state&closed != 0:
		return false, dialError(net.ErrClosed)
	case c.state&writable == 0:
		return false, nil
	case c.state&failed != 0 || sys.Faulty: // or else the kernel would have told of an error
		if err := sys.Connected(int(c.fd)); err != nil {
			return false, dialError(os.NewSyscallError("connect", err))
		}
		c.state &^= failed
	}
	if err := c.metAnother(); err != nil {
		return false, dialError(err)
	}
	return true, nil
}
