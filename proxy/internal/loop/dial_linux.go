package loop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// Dial makes the running task connect to addr, "host:port" or "unix:/path",
// within timeout (0: no limit). TCP connections send small writes at once
// (TCP_NODELAY). Errors keep the identity of their system call. A connection is
// attached to c, whose events h is told of.
//
// Names are resolved on a goroutine of their own, for that can take a while.
func (l *Loop) Dial(c *Conn, addr string, timeout time.Duration, h Handler) error {
	if l.closing {
		return net.ErrClosed
	}
	to, err := sockaddr(addr)
	if err != nil {
		return l.dialName(c, addr, timeout, h)
	}
	fd, err := open(to)
	if err != nil {
		return dialError(err)
	}
	l.Attach(c, fd, h)
	if err := c.connect(to, timeout); err != nil {
		_ = c.Close()
		return dialError(err)
	}
	return nil
}

func dialError(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// sockaddr reads an address that needs no resolver.
func sockaddr(addr string) (unix.Sockaddr, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return &unix.SockaddrUnix{Name: path}, nil
	}
	ap, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil:
		return nil, err
	case ap.Addr().Zone() != "":
		return nil, errors.New("has a zone")
	case ap.Addr().Unmap().Is4():
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().Unmap().As4()}, nil
	}
	return &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}, nil
}

func open(to unix.Sockaddr) (int, error) {
	family := unix.AF_UNIX
	switch to.(type) {
	case *unix.SockaddrInet4:
		family = unix.AF_INET
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family != unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	return fd, nil
}

// connect waits until the connection is made.
func (c *Conn) connect(to unix.Sockaddr, timeout time.Duration) error {
	err := sys.Connect(int(c.fd), to)
	switch err {
	case nil:
		return nil
	case unix.EINPROGRESS, unix.EINTR:
	default:
		return os.NewSyscallError("connect", err)
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
	return os.NewSyscallError("connect", sys.Connected(int(c.fd)))
}

// dialName has the standard library connect, and takes the socket over. Until then c
// is one without a socket, which can be interrupted and closed.
func (l *Loop) dialName(c *Conn, addr string, timeout time.Duration, h Handler) error {
	*c = Conn{loop: l, fd: -1}
	c.timer.conn = c
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	made := socket{fd: -1}
	go func() {
		fd, err := dialElsewhere(ctx, addr, timeout)
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
func dialElsewhere(ctx context.Context, addr string, timeout time.Duration) (int, error) {
	d := net.Dialer{Timeout: timeout} // sets TCP_NODELAY and keep-alive by default
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	return dup(conn.(syscall.Conn))
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
