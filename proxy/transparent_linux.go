package proxy

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// CanBeTransparent reports whether sockets of this process may have addresses that
// are not this machine's, as source = "CLIENT" and transparent listeners need it. The
// error says what is missing.
func CanBeTransparent() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	return explained(sys.SetTransparent(fd))
}

// setTransparent makes a listening socket accept what TPROXY brings.
func setTransparent(c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = explained(sys.SetTransparent(int(fd))) }); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("transparent: %w", err)
	}
	return nil
}

// explained says what a process needs that is refused IP_TRANSPARENT.
func explained(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("needs the capability CAP_NET_ADMIN or CAP_NET_RAW: %w", err)
	}
	return err
}
