package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raw has what the system calls of one Conn need. Go's own Read and Write tell
// the scheduler about each call, and on a busy machine it then takes the
// processor away from calls that last a few microseconds. These do not tell,
// which is right as long as none of them can block: each asks for
// MSG_DONTWAIT, and only where the kernel says EAGAIN does the goroutine wait,
// in the netpoller, as it would for net.Conn.
//
// The functions are made once per Conn, and their arguments and results travel
// in its fields, so that a call allocates nothing. Buffers are kept in those
// fields (which are on the heap, where nothing moves) until the call is over,
// and become a uintptr only in the call's own argument list, as package unsafe
// demands.
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
	iov   [2]unix.Iovec
	msg   unix.Msghdr
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
	in.n, in.errno = recv(fd, in.p, 0)
	if in.pool != nil {
		in.p = nil
		if in.errno == syscall.EAGAIN {
			in.b.Free()
			in.b = nil
		}
	}
	return in.errno != syscall.EAGAIN
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
		n, errno := out.send(fd)
		if errno != 0 {
			out.errno = errno
			return errno != syscall.EAGAIN
		}
		c.sent.Add(int64(n))
		out.n += n
		k := min(n, len(out.a))
		out.a, out.b = out.a[k:], out.b[n-k:]
	}
	return true
}

// send makes the one call that fits: sendto for one slice, sendmsg for two.
func (out *rawOut) send(fd uintptr) (int, syscall.Errno) {
	switch {
	case len(out.b) == 0:
		return send(fd, out.a)
	case len(out.a) == 0:
		return send(fd, out.b)
	}
	out.iov[0].Base, out.iov[1].Base = &out.a[0], &out.b[0]
	out.iov[0].SetLen(len(out.a))
	out.iov[1].SetLen(len(out.b))
	if k := shorten(len(out.a) + len(out.b)); k < len(out.a)+len(out.b) {
		out.iov[0].SetLen(min(k, len(out.a)))
		out.iov[1].SetLen(max(k-len(out.a), 0))
	}
	out.msg.Iov = &out.iov[0]
	out.msg.SetIovlen(2)
	n, errno := sendmsg(fd, &out.msg)
	out.iov = [2]unix.Iovec{}
	return n, errno
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

// The calls themselves. A signal can interrupt each; it is then made again.

func recv(fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(shorten(len(p))), unix.MSG_DONTWAIT|flags, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// MSG_NOSIGNAL: a peer that is gone is an error of this call, and no SIGPIPE.

func send(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(shorten(len(p))), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

func sendmsg(fd uintptr, m *unix.Msghdr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMSG, fd,
			uintptr(unsafe.Pointer(m)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}
