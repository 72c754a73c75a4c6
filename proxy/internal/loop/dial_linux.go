package loop

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// Dial makes the running task connect to addr, "host:port" or "unix:/path",
// within timeout (0: no limit). TCP connections send small writes at once
// (TCP_NODELAY). Errors keep the identity of their system call. A connection is
// attached to c, whose events h is told of.
//
// Names are resolved on a goroutine of their own, for that can take a while.
func (l *Loop) Dial(c *Conn, addr string, timeout time.Duration, h Handler) error {
	return l.DialFrom(c, addr, timeout, h, nil)
}

// DialFrom is Dial, from the address that from names for the one that is connected
// to: any at all (see sys.BindFrom), or an invalid one for this machine's own. For
// names it is called on other goroutines. nil is Dial.
func (l *Loop) DialFrom(c *Conn, addr string, timeout time.Duration, h Handler, from From) error {
	if l.closing {
		return net.ErrClosed
	}
	to, ok := addressOf(addr)
	if !ok {
		return l.dialName(c, addr, timeout, h, from)
	}
	fd, err := open(&to, from)
	if err != nil {
		return dialError(err)
	}
	l.Attach(c, fd, h)
	c.KeepAlive()
	if err := c.connect(&to, timeout); err != nil {
		_ = c.Close()
		return dialError(err)
	}
	return nil
}

func dialError(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// addressOf reads an address that needs no resolver.
func addressOf(addr string) (sys.Address, bool) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return sys.UnixPath(path)
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || ap.Addr().Zone() != "" {
		return sys.Address{}, false
	}
	return sys.IP(ap), true
}

func open(to *sys.Address, from From) (int, error) {
	family := to.Family()
	at := from.address(to) // first: it is not ours
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family != unix.AF_UNIX {
		_ = sys.SetInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if at.IsValid() {
		if err := sys.BindFrom(fd, at); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// KeepAlive has the kernel find out about a peer that has vanished (hours after
// the last byte). It is for connections that may be silent without limit.
func (c *Conn) KeepAlive() {
	if c.state&closed == 0 {
		_ = sys.SetInt(int(c.fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// connect waits until the connection is made.
func (c *Conn) connect(to *sys.Address, timeout time.Duration) error {
	switch errno := sys.Connect(int(c.fd), to); errno {
	case 0:
		return c.metAnother()
	case unix.EINPROGRESS, unix.EINTR:
	default:
		return os.NewSyscallError("connect", errno)
	}
	c.state &^= readable | writable
	c.writeBy = 0
	if timeout > 0 {
		c.WriteBy(c.loop.Now().Add(timeout))
	}
	for c.state&writable == 0 {
		if err := c.awaitWritable(); err != nil {
			return err
		}
	}
	c.writeBy = 0
	if err := sys.Connected(int(c.fd)); err != nil {
		return os.NewSyscallError("connect", err)
	}
	return c.metAnother()
}

// metAnother refuses, and resets, a connection to itself: nobody listens there, and
// who wants to could not as long as we have the port.
func (c *Conn) metAnother() error {
	if !sys.ToItself(int(c.fd)) {
		return nil
	}
	c.Abort()
	return os.NewSyscallError("connect", unix.ECONNREFUSED)
}

// dialName has the standard library connect, and takes the socket over. Until then c
// is one without a socket, which can be interrupted and closed.
func (l *Loop) dialName(c *Conn, addr string, timeout time.Duration, h Handler, from From) error {
	*c = Conn{loop: l, fd: -1}
	c.timer.conn = c
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	made := socket{fd: -1}
	go func() {
		fd, err := dialElsewhere(ctx, addr, timeout, from)
		if !l.Post(func() { made.deliver(c, fd, err) }) && err == nil {
			unix.Close(fd)
		}
	}()
	for !made.done {
		if err := c.awaitWritable(); err != nil {
			made.unwanted = true
			made.close()
			_ = c.Close()
			return dialError(err)
		}
	}
	if made.err != nil {
		_ = c.Close()
		return made.err
	}
	if c.timer.next != nil {
		c.timer.unlink() // Attach forgets it
	}
	l.Attach(c, made.fd, h)
	return nil
}

// A socket is on its way from another goroutine.
type socket struct {
	fd       int
	err      error
	done     bool
	unwanted bool // nobody waits any more
}

func (s *socket) deliver(c *Conn, fd int, err error) {
	s.fd, s.err, s.done = fd, err, true
	if s.unwanted {
		s.close()
	} else if c.writer != nil {
		c.loop.wake(c.writer)
	}
}

func (s *socket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// dialElsewhere connects and returns the descriptor.
func dialElsewhere(ctx context.Context, addr string, timeout time.Duration, from From) (int, error) {
	conn, err := netio.DialFrom(ctx, addr, timeout, from)
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	return dup(conn.NetConn().(syscall.Conn))
}

// dup returns a descriptor of a socket that the standard library may then close.
func dup(s syscall.Conn) (int, error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if e := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		return -1, e
	}
	return fd, os.NewSyscallError("fcntl", err)
}
