package netio

import (
	"io"
	"math"
	"os"
	"sync"
	"syscall"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A transfer is one Splice under way. It goes round and round: fill the empty
// pipe from src, drain it into dst. The pipe is given back whenever src has
// nothing, so that a connection that waits holds no descriptors.
//
// Like the calls in raw_linux.go these never block, and the functions are made
// once: transfers are pooled.
type transfer struct {
	dst, src    *Conn
	left        int64 // still to be read
	moved       int64
	pipe        *sys.Pipe
	inside      int // bytes in pipe
	end         bool
	errno       syscall.Errno
	noPipe      bool
	fill, drain func(fd uintptr) bool
}

var transfers = sync.Pool{New: func() any {
	t := new(transfer)
	t.fill, t.drain = t.tryFill, t.tryDrain
	return t
}}

func splice(dst, src *Conn, n int64) (int64, error) {
	t := transfers.Get().(*transfer)
	t.dst, t.src, t.left, t.moved = dst, src, n, 0
	if n < 0 {
		t.left = math.MaxInt64
	}
	t.end, t.noPipe = false, false
	err := t.run()
	if err == io.ErrUnexpectedEOF && n < 0 {
		err = nil // the end was what we moved until
	}
	t.release()
	moved := t.moved
	t.dst, t.src = nil, nil
	transfers.Put(t)
	return moved, err
}

func (t *transfer) run() error {
	for t.left > 0 {
		if err := t.read(); err != nil {
			return err
		}
		if err := t.write(); err != nil {
			return err
		}
	}
	return nil
}

// read waits until there is something in the pipe.
func (t *transfer) read() error {
	for {
		t.errno = 0
		err := t.src.raw.rc.Read(t.fill)
		switch {
		case err != nil:
			if err = waitError("read", err); t.src.resumable(err, &t.src.readBy) {
				continue
			}
			return err
		case t.noPipe || cannot(t.errno):
			return ErrNoSplice
		case t.errno != 0:
			return opError("read", t.src, os.NewSyscallError("splice", t.errno))
		case t.end:
			return io.ErrUnexpectedEOF
		default:
			return nil
		}
	}
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

func (t *transfer) tryFill(fd uintptr) bool {
	if t.pipe == nil {
		if t.pipe = sys.TakePipe(); t.pipe == nil {
			t.noPipe = true
			return true
		}
	}
	// The pipe is empty, so EAGAIN can only mean that the socket is.
	n, errno := t.pipe.Fill(int(fd), int(min(t.left, int64(t.pipe.Size))))
	switch {
	case errno == syscall.EAGAIN:
		t.release()
		t.src.doubtRead(fd)
		return false
	case errno != 0:
		t.errno = errno
	case n == 0:
		t.end = true
	default:
		t.inside = n
		t.left -= int64(n)
		t.src.received.Add(int64(n))
	}
	return true
}

// write waits until the pipe is empty.
func (t *transfer) write() error {
	for t.inside > 0 {
		if err := t.dst.raw.rc.Write(t.drain); err != nil {
			if err = waitError("write", err); !t.dst.resumable(err, &t.dst.writeBy) {
				return err
			}
		} else if t.errno != 0 {
			return opError("write", t.dst, os.NewSyscallError("splice", t.errno))
		}
	}
	return nil
}

func (t *transfer) tryDrain(fd uintptr) bool {
	t.errno = 0 // an earlier try may have left EAGAIN
	for t.inside > 0 {
		n, errno := t.pipe.Drain(int(fd), t.inside)
		if n == 0 && errno == 0 {
			errno = syscall.EIO // never seen; but it must not be an endless loop
		}
		if errno != 0 {
			t.errno = errno
			if errno == syscall.EAGAIN {
				t.dst.doubtWrite(fd)
				return false
			}
			return true
		}
		t.inside -= n
		t.moved += int64(n)
		t.dst.sent.Add(int64(n))
	}
	return true
}

// release gives the pipe back; one with bytes in it is not for anybody else.
func (t *transfer) release() {
	if t.pipe == nil {
		return
	}
	t.pipe.Return(t.inside)
	t.pipe, t.inside = nil, 0
}
