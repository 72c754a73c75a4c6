package netio

import (
	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// The netpoller tells of changes only. In tests with faults EAGAIN may be a lie,
// after which nothing changes; then the wait that follows must not last. It is
// ended as a timer would that fires too early, which every wait bears with.

func (c *Conn) doubtRead(fd uintptr) {
	if sys.Faulty && sys.Poll(int(fd), unix.POLLIN) != 0 {
		c.fireEarly(&c.readBy)
	}
}

func (c *Conn) doubtWrite(fd uintptr) {
	if sys.Faulty && sys.Poll(int(fd), unix.POLLOUT) != 0 {
		c.fireEarly(&c.writeBy)
	}
}
