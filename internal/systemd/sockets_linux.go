package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/handover"
)

// firstSocket is the descriptor of the first socket (SD_LISTEN_FDS_START).
const firstSocket = 3

// Sockets returns the sockets that the manager has opened for this process. It is to be
// called once, early; processes that this one starts are told nothing of them.
func Sockets() ([]handover.Socket, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		_ = os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) || count == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1<<16 {
		return nil, fmt.Errorf("LISTEN_FDS=%q: want a number of sockets", count)
	}
	named := strings.Split(names, ":")
	var all []handover.Socket
	var errs []error
	for i := range n {
		fd := firstSocket + i
		unix.CloseOnExec(fd)
		s := handover.Socket{Name: "unknown", Shared: true}
		if i < len(named) && named[i] != "" {
			s.Name = named[i]
		}
		if err := describe(fd, &s); err != nil {
			errs = append(errs, fmt.Errorf("socket %q (descriptor %d): %w", s.Name, fd, err))
			continue
		}
		s.File = os.NewFile(uintptr(fd), s.Addr)
		all = append(all, s)
	}
	if len(errs) > 0 {
		handover.Close(all)
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// describe fills in what a socket is, by asking the kernel.
func describe(fd int, s *handover.Socket) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if kind == unix.SOCK_STREAM && listens == 0 {
		return errors.New("it does not listen; is Accept=yes set?")
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	_, isUnix := at.(*unix.SockaddrUnix)
	switch {
	case kind == unix.SOCK_STREAM && isUnix:
		s.Network = "unix"
	case kind == unix.SOCK_STREAM:
		s.Network = "tcp"
	case kind == unix.SOCK_DGRAM && !isUnix:
		s.Network = "udp"
	default:
		return errors.New("it is not of TCP, UDP or a Unix stream")
	}
	s.Addr, err = addressOf(at)
	return err
}
