package loop

import (
	"io"
	"math"
	"syscall"

	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// Splice moves n bytes from src to dst, or all until the end of src where n is
// negative, inside the kernel. It is as netio.Splice, and its errors are.
//
// The pipe is given back whenever src has nothing, so that a connection that
// waits holds no descriptors, and src is never read ahead of a slow dst by more
// than a pipe holds.
func Splice(dst, src *Conn, n int64) (moved int64, err error) {
	left := n
	if n < 0 {
		left = math.MaxInt64
	}
	for left > 0 {
		k, err := spliceSome(dst, src, left)
		moved += k
		left -= k
		switch {
		case err == io.EOF && n < 0:
			return moved, nil
		case err == io.EOF:
			return moved, io.ErrUnexpectedEOF
		case err != nil:
			return moved, err
		}
	}
	return moved, nil
}

// spliceSome waits for bytes of src and moves a pipe full.
func spliceSome(dst, src *Conn, left int64) (moved int64, err error) {
	if err := src.begin(src.readBy); err != nil {
		return 0, err
	}
	for src.state&readable == 0 {
		if err := src.awaitReadable(); err != nil {
			return 0, err
		}
	}
	pipe := sys.TakePipe()
	if pipe == nil {
		return 0, netio.ErrNoSplice
	}
	n, err := src.fill(pipe, int(min(left, int64(pipe.Size))))
	if n <= 0 {
		pipe.Return(0)
		return 0, err
	}
	moved, err = dst.drain(pipe, n)
	pipe.Return(n - int(moved))
	src.loop.spend(n)
	return moved, err
}

// drain moves n bytes out of a pipe.
func (c *Conn) drain(pipe *sys.Pipe, n int) (moved int64, err error) {
	if err := c.begin(c.writeBy); err != nil {
		return 0, writeError(err)
	}
	for int64(n) > moved {
		if c.state&writable == 0 {
			if err := c.awaitWritable(); err != nil {
				return moved, writeError(err)
			}
			continue
		}
		k, err := c.empty(pipe, n-int(moved))
		if err != nil {
			return moved, err
		}
		moved += int64(k)
	}
	return moved, nil
}

// fill makes one call that moves up to n bytes into an empty pipe. Nothing moved
// and no error mean that nothing is there.
func (c *Conn) fill(pipe *sys.Pipe, n int) (int, error) {
	n, errno := pipe.Fill(int(c.fd), n)
	switch {
	case errno == syscall.EAGAIN:
		c.state &^= readable
		return 0, nil
	case cannot(errno):
		return 0, netio.ErrNoSplice
	case errno != 0:
		return 0, c.failed("read", "splice", errno)
	case n == 0:
		return 0, io.EOF
	}
	c.received += int64(n)
	return n, nil
}

// empty makes one call that moves up to n bytes of those in a pipe. Nothing
// moved and no error mean that there is no room.
func (c *Conn) empty(pipe *sys.Pipe, n int) (int, error) {
	n, errno := pipe.Drain(int(c.fd), n)
	switch {
	case errno == syscall.EAGAIN:
		c.state &^= writable
		return 0, nil
	case errno == 0 && n == 0:
		errno = syscall.EIO // never seen, but must not be an endless loop
		fallthrough
	case errno != 0:
		return 0, c.failed("write", "splice", errno)
	}
	c.sent += int64(n)
	return n, nil
}

// cannot says whether errno is the kernel's word for "not with this descriptor"
// or "not in this sandbox".
func cannot(errno syscall.Errno) bool {
	switch errno {
	case syscall.EINVAL, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EPERM:
		return true
	}
	return false
}
