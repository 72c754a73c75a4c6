package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// raw has what the system calls of one Conn need (see package sys). Only where
// the kernel says EAGAIN does the goroutine wait, in the netpoller, as it would
// for net.Conn.
//
// The functions are made once per Conn, and their arguments and results travel
// in its fields, so that a call allocates nothing.
type raw struct {
	on  bool
	rc  syscall.RawConn
	in  rawIn  // the reader's
	out rawOut // the writer's
	ask rawAsk
}

type rawIn struct {
	try   func(fd uintptr) bool // done, as opposed to: wait until readable
	p     []byte
	pool  *Pool   // where set, p is borrowed from here
	b     *Buffer // what was borrowed
	n     int
	errno syscall.Errno
}

type rawOut struct {
	try   func(fd uintptr) bool
	a, b  []byte
	n     int
	errno syscall.Errno
}

// attach makes c use system calls of its own, if its net.Conn has a descriptor.
func (r *raw) attach(c *Conn) {
	sc, ok := c.net.(syscall.Conn)
	if !ok {
		return
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return
	}
	r.on = true
	r.rc = rc
	r.in.try = c.tryRead
	r.out.try = c.tryWrite
	r.ask.try = c.tryPoll
	r.ask.peek = c.tryPeek
}

func (c *Conn) rawRead(p []byte) (int, error) {
	in := &c.raw.in
	in.p = p
	err := c.raw.rc.Read(in.try)
	in.p = nil // or an idle connection keeps its caller's buffer alive
	return c.readResult(err)
}

func (c *Conn) rawReceive(p *Pool) (*Buffer, error) {
	in := &c.raw.in
	in.pool = p
	err := c.raw.rc.Read(in.try)
	b := in.b
	in.pool, in.b = nil, nil
	n, err := c.readResult(err)
	if err != nil {
		if b != nil {
			b.Free()
		}
		return nil, err
	}
	b.B = b.store[:n]
	return b, nil
}

// readResult makes of err, from waiting, and of in, from the call, what Read returns.
func (c *Conn) readResult(err error) (int, error) {
	switch in := &c.raw.in; {
	case err != nil:
		return 0, waitError("read", err)
	case in.errno != 0:
		return 0, opError("read", c, os.NewSyscallError("recvfrom", in.errno))
	case in.n == 0:
		return 0, io.EOF
	default:
		return in.n, nil
	}
}

func (c *Conn) tryRead(fd uintptr) bool {
	in := &c.raw.in
	if in.pool != nil {
		in.b = in.pool.Get()
		in.p = in.b.store
	}
	in.n, _, in.errno = sys.Recv(int(fd), in.p)
	if in.pool != nil {
		in.p = nil
		if in.errno == syscall.EAGAIN {
			in.b.Free()
			in.b = nil
		}
	}
	if in.errno == syscall.EAGAIN {
		c.doubtRead(fd)
		return false
	}
	return true
}

func (c *Conn) rawWrite(a, b []byte) (int, error) {
	out := &c.raw.out
	out.a, out.b, out.n = a, b, 0
	err := c.raw.rc.Write(out.try)
	out.a, out.b = nil, nil
	if err != nil {
		return out.n, waitError("write", err)
	}
	if out.errno != 0 {
		return out.n, opError("write", c, os.NewSyscallError("sendto", out.errno))
	}
	return out.n, nil
}

// tryWrite sends until all is sent or the kernel takes no more.
func (c *Conn) tryWrite(fd uintptr) bool {
	out := &c.raw.out
	out.errno = 0
	for len(out.a)+len(out.b) > 0 {
		n, errno := sys.Send(int(fd), out.a, out.b)
		if errno != 0 {
			out.errno = errno
			if errno == syscall.EAGAIN {
				c.doubtWrite(fd)
				return false
			}
			return true
		}
		c.sent.Add(int64(n))
		out.n += n
		k := min(n, len(out.a))
		out.a, out.b = out.a[k:], out.b[n-k:]
	}
	return true
}

// waitError gives an error of RawConn, whose Op is "raw-read" or "raw-write",
// the name that net would give it.
func waitError(op string, err error) error {
	var e *net.OpError
	if errors.As(err, &e) {
		e.Op = op // made for us by this call
	}
	return err
}
