package netio

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// rawPeek looks into the socket each time that something comes. Its closure is
// made for each call: few connections are ever asked.
func (c *Conn) rawPeek(p []byte, have int) (n int, err error) {
	var errno syscall.Errno
	ended := false
	wait := c.raw.rc.Read(func(fd uintptr) bool {
		// First: what has come before an end is there when the end is.
		ended = sys.Poll(int(fd), unix.POLLIN|unix.POLLRDHUP)&finOrWorse != 0
		n, errno = sys.PeekAt(int(fd), p)
		if errno == 0 && (n > have || n == 0 || ended) || errno != 0 && errno != syscall.EAGAIN {
			return true
		}
		c.doubtRead(fd)
		return false
	})
	switch {
	case wait != nil:
		return 0, waitError("read", wait)
	case errno != 0:
		return 0, opError("read", c, os.NewSyscallError("recvfrom", errno))
	case n <= have:
		return n, io.EOF
	}
	return n, nil
}
