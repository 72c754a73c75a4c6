//go:build unix

package udp

import (
	"net"
	"syscall"
)

// receive waits for a datagram. It borrows room when there is one, so that sessions
// that are silent have none; nil: c is closed. The caller frees it, whatever the error
// is.
func receive(c *net.UDPConn) (*room, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var r *room
	closed := raw.Read(func(fd uintptr) bool {
		r = rooms.Get().(*room)
		for r.n, err = -1, syscall.EINTR; err == syscall.EINTR; {
			r.n, err = syscall.Read(int(fd), r.space[:])
		}
		if err == syscall.EAGAIN {
			r.free()
			return false
		}
		return true
	})
	if closed != nil {
		return nil, closed
	}
	return r, err
}
