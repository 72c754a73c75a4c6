package sys

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is what a pipe is asked to hold. An unprivileged process may own
	// 64 MiB of pipes (fs.pipe-user-pages-soft) and gets smaller ones after
	// that, which work as well, in more steps.
	pipeSize = 1 << 20
	// maxIdlePipes are kept for the next who needs one.
	maxIdlePipes = 64
	// trimEvery is how often pipes are closed that nobody needed since last time.
	trimEvery = time.Second
	// maxPipes keeps descriptors, two a pipe, for connections; beyond it bytes
	// are copied.
	maxPipes = 1024
)

// A Pipe is where spliced bytes are between two sockets: a descriptor for
// reading, one for writing, and how many bytes it holds.
type Pipe struct {
	R, W, Size int
}

// A pipePool lends empty pipes, the most recently used first, and closes those
// that a busy time has left behind.
type pipePool struct {
	mu    sync.Mutex
	idle  []*Pipe
	alive int // idle and lent
	spare int // the fewest that were idle since the last trim
	timer *time.Timer
	armed bool // the timer runs: while there are idle pipes
}

var pipes pipePool

// TakePipe lends an empty pipe, or nil if there can be none.
func TakePipe() *Pipe { return pipes.get() }

// Return gives a pipe back, with so many bytes still in it.
func (x *Pipe) Return(inside int) {
	if inside == 0 {
		pipes.put(x)
	} else {
		pipes.drop(x)
	}
}

// IdlePipes is how many pipes wait to be lent.
func IdlePipes() int {
	pipes.mu.Lock()
	defer pipes.mu.Unlock()
	return len(pipes.idle)
}

// get returns an empty pipe, or nil if there can be none.
func (p *pipePool) get() *Pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		x := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.spare = min(p.spare, n-1)
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
func (p *pipePool) put(x *Pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < maxIdlePipes {
		p.idle = append(p.idle, x)
		p.schedule()
		return
	}
	p.alive--
	x.close()
}

// schedule makes sure that trim comes. Caller holds p.mu.
func (p *pipePool) schedule() {
	switch {
	case p.armed:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(trimEvery, p.trim)
	default:
		p.timer.Reset(trimEvery)
	}
	p.armed = true
}

// trim closes what was idle all the time since it last ran. They are the first
// in the list: put and get work at its end.
func (p *pipePool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.idle[:p.spare] {
		x.close()
	}
	p.alive -= p.spare
	p.idle = slices.Delete(p.idle, 0, p.spare)
	p.spare = len(p.idle)
	p.armed = false
	if p.spare > 0 {
		p.schedule()
	}
}

// drop takes back a pipe that has bytes in it, which nobody must ever see.
func (p *pipePool) drop(x *Pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alive--
	x.close()
}

// newPipe returns nil where there are no descriptors left (EMFILE, ENFILE).
func newPipe() *Pipe {
	if fault(piping, -1) != 0 {
		return nil
	}
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	x := &Pipe{R: fd[0], W: fd[1], Size: pipeSize}
	if _, err := unix.FcntlInt(uintptr(x.W), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		x.Size, err = unix.FcntlInt(uintptr(x.W), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			x.close()
			return nil
		}
	}
	return x
}

func (x *Pipe) close() {
	_ = unix.Close(x.R)
	_ = unix.Close(x.W)
}
