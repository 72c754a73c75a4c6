package sys

import (
	"net/netip"
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

// An Address is where a socket connects to, as the kernel reads it.
type Address struct {
	raw  unix.RawSockaddrAny
	size uintptr
}

// IP is the address of a TCP or UDP socket.
func IP(to netip.AddrPort) (a Address) {
	port := NetworkOrder(to.Port())
	if ip := to.Addr().Unmap(); ip.Is4() {
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		*in = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: ip.As4()}
		a.size = unsafe.Sizeof(*in)
		return a
	}
	in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&a.raw))
	*in = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	a.size = unsafe.Sizeof(*in)
	return a
}

// UnixPath is the address of a Unix socket; false: no socket can have that path. One
// that begins with "@" has no file (unix(7), "abstract").
func UnixPath(path string) (a Address, ok bool) {
	un := (*unix.RawSockaddrUnix)(unsafe.Pointer(&a.raw))
	if path == "" || len(path) >= len(un.Path) {
		return a, false
	}
	un.Family = unix.AF_UNIX
	for i := range len(path) {
		un.Path[i] = int8(path[i])
	}
	a.size = unsafe.Offsetof(un.Path) + uintptr(len(path))
	if path[0] == '@' {
		un.Path[0] = 0
	} else {
		a.size++ // the NUL at its end
	}
	return a, true
}

// Family is the address family, such as unix.AF_INET.
func (a *Address) Family() int { return int(a.raw.Addr.Family) }

// Connect begins to connect a non-blocking socket. After EINPROGRESS it is
// writable once Connected knows how it has ended.
func Connect(fd int, to *Address) syscall.Errno {
	if errno := fault(connecting, fd); errno != 0 {
		return errno
	}
	// On loopback this goes all the way to the peer and back. It never waits.
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), to.size)
	if errno == 0 && slowConnect() {
		return unix.EINPROGRESS
	}
	return errno
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

// ToItself reports whether both ends of a TCP connection are this socket. So ends a
// connect to a port where nobody listens, if the kernel chooses just that one for us
// (RFC 9293 §3.5, "simultaneous connection synchronization").
func ToItself(fd int) bool {
	var near, far unix.RawSockaddrInet6
	if !name(unix.SYS_GETSOCKNAME, fd, &near) {
		return false
	}
	at := AddrPort(&near)
	return at.IsValid() && name(unix.SYS_GETPEERNAME, fd, &far) && at == AddrPort(&far)
}

// name is getsockname or getpeername, of a socket of any family.
func name(call uintptr, fd int, sa *unix.RawSockaddrInet6) bool {
	size := uint32(unsafe.Sizeof(*sa))
	_, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)))
	return errno == 0
}

// ShutdownWrite ends what is written to a socket.
func ShutdownWrite(fd int) error {
	if errno := fault(shutting, fd); errno != 0 {
		return errno
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0); errno != 0 {
		return errno
	}
	return nil
}

// Close closes a non-blocking socket, which takes as long as sending does, and
// never waits.
func Close(fd int) error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// SetInt sets a socket's option.
func SetInt(fd, level, option, value int) error {
	v := int32(value)
	_, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
