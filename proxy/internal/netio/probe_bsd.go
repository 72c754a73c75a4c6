//go:build unix && !linux

package netio

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canProbe says that idle knows.
const canProbe = true

// peek looks at what a read would give, without taking it or waiting: a byte
// (n is 1), the end (n is 0), or an error, unix.EAGAIN for nothing yet.
func (c *Conn) peek() (n int, err error) {
	sc, ok := c.net.(syscall.Conn)
	if !ok {
		return 0, syscall.ENOTSUP
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := rc.Control(func(fd uintptr) {
		var b [1]byte
		for {
			n, _, err = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				return
			}
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return n, err
}

func (c *Conn) idle() bool {
	_, err := c.peek()
	return err == unix.EAGAIN
}

func (c *Conn) gone() bool {
	n, err := c.peek()
	return n == 0 && err != unix.EAGAIN
}

func (c *Conn) broken() bool {
	_, err := c.peek()
	return err != nil && err != unix.EAGAIN
}

func (c *Conn) brokenOff(int64) bool { return false }
