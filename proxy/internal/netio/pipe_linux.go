package netio

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is what a pipe is asked to hold. An unprivileged process may own
	// 64 MiB of pipes (fs.pipe-user-pages-soft) and gets smaller ones after
	// that, which work as well, in more steps.
	pipeSize = 1 << 20
	// maxIdlePipes are kept for the next who needs one.
	maxIdlePipes = 64
	// maxPipes keeps descriptors, two a pipe, for connections; beyond it bytes
	// are copied.
	maxPipes = 1024
)

// A pipe is where spliced bytes are between two sockets.
type pipe struct {
	r, w uintptr
	size int
}

// A pipePool lends empty pipes, the most recently used first.
type pipePool struct {
	mu    sync.Mutex
	idle  []*pipe
	alive int // idle and lent
}

var pipes pipePool

// get returns an empty pipe, or nil if there can be none.
func (p *pipePool) get() *pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		x := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return x
	}
	if p.alive == maxPipes {
		return nil
	}
	x := newPipe()
	if x != nil {
		p.alive++
	}
	return x
}

// put takes back a pipe that is empty.
func (p *pipePool) put(x *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < maxIdlePipes {
		p.idle = append(p.idle, x)
		return
	}
	p.alive--
	x.close()
}

// drop takes back a pipe that has bytes in it, which nobody must ever see.
func (p *pipePool) drop(x *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alive--
	x.close()
}

// newPipe returns nil where there are no descriptors left (EMFILE, ENFILE).
func newPipe() *pipe {
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	x := &pipe{r: uintptr(fd[0]), w: uintptr(fd[1]), size: pipeSize}
	if _, err := unix.FcntlInt(x.w, unix.F_SETPIPE_SZ, pipeSize); err != nil {
		x.size, err = unix.FcntlInt(x.w, unix.F_GETPIPE_SZ, 0)
		if err != nil {
			x.close()
			return nil
		}
	}
	return x
}

func (x *pipe) close() {
	_ = unix.Close(int(x.r))
	_ = unix.Close(int(x.w))
}
