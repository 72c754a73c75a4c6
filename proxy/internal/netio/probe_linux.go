package netio

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// rawAsk is a question to the kernel about a connection's state. Anybody may
// ask, so unlike reading and writing it has a lock.
type rawAsk struct {
	sync.Mutex
	try   func(fd uintptr) // poll
	mask  int16            // what poll found
	peek  func(fd uintptr)
	quiet bool // what peek found: nothing to read, no end, no error
}

// canProbe says that idle knows.
const canProbe = true

const finOrWorse = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR

// idle looks at the next byte and leaves it there. A kept connection is asked
// before each use, and recv(2) costs a little less than poll(2). One difference:
// a pending error is told once, and here it is told to us; gone and broken still
// say what happened, but a Read would see an end.
func (c *Conn) idle() bool {
	ask := &c.raw.ask
	ask.Lock()
	defer ask.Unlock()
	return c.raw.rc.Control(ask.peek) == nil && ask.quiet
}

func (c *Conn) tryPeek(fd uintptr) {
	ask := &c.raw.ask
	_, errno := sys.Peek(int(fd))
	ask.quiet = errno == syscall.EAGAIN
}

func (c *Conn) gone() bool { return c.poll()&finOrWorse != 0 }

func (c *Conn) broken() bool {
	events := c.poll()
	if _, tcp := c.net.(*net.TCPConn); tcp {
		return events&(unix.POLLERR|unix.POLLHUP) != 0
	}
	return events&unix.POLLERR != 0 // on unix sockets an ordinary close hangs up, too
}

// poll returns what poll(2) says of the connection now.
func (c *Conn) poll() int16 {
	ask := &c.raw.ask
	ask.Lock()
	defer ask.Unlock()
	if c.raw.rc.Control(ask.try) != nil {
		return finOrWorse // closed by ourselves
	}
	return ask.mask
}

func (c *Conn) tryPoll(fd uintptr) {
	c.raw.ask.mask = sys.Poll(int(fd), unix.POLLIN|unix.POLLRDHUP)
}

func (c *Conn) brokenOff(received int64) (is bool) {
	err := c.raw.rc.Control(func(fd uintptr) { is = sys.BrokenOff(int(fd), received) })
	return err == nil && is
}
