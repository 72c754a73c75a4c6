package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept takes one connection, as a non-blocking socket, and says where it is
// from. EAGAIN: there is none.
func Accept(fd int, from *unix.RawSockaddrAny) (int, syscall.Errno) {
	if errno := fault(accepting, fd); errno != 0 {
		return -1, errno
	}
	for {
		if interrupted() {
			continue
		}
		size := uint32(unsafe.Sizeof(*from))
		n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// Connect begins to connect a non-blocking socket. After EINPROGRESS it is
// writable once Connected knows how it has ended.
func Connect(fd int, to unix.Sockaddr) error {
	if errno := fault(connecting, fd); errno != 0 {
		return errno
	}
	err := unix.Connect(fd, to)
	if err == nil && slowConnect() {
		return unix.EINPROGRESS
	}
	return err
}

// Connected says how a connect has ended that was in progress.
func Connected(fd int) error {
	if errno := fault(connected, fd); errno != 0 {
		return errno
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	return err
}

// ShutdownWrite ends what is written to a socket.
func ShutdownWrite(fd int) error {
	if errno := fault(shutting, fd); errno != 0 {
		return errno
	}
	return unix.Shutdown(fd, unix.SHUT_WR)
}
