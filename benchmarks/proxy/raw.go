//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"
)

// The few system calls of the two event loops, made with RawSyscall: the scheduler is not told, which is what makes them
// cheap. So none may block, except epoll's wait in a process that has nothing else to do.

const (
	edges = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, which package syscall has as a negative int
	gone  = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

// recv reads into p. With MSG_TRUNC the kernel drops the bytes instead of copying them (tcp(7)), which halves the price of bulk.
func recv(fd int, p []byte, flags int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags), 0, 0)
	return int(n), errno
}

func send(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func accept(fd int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), 0, 0, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

func closeFD(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// dial begins a connection. Over loopback the handshake is usually over when connect returns EINPROGRESS, so a caller may try to send at once.
func dial(to *syscall.RawSockaddrInet4) (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	_, _, errno = syscall.RawSyscall(syscall.SYS_CONNECT, fd, uintptr(unsafe.Pointer(to)), syscall.SizeofSockaddrInet4)
	if errno != 0 && errno != syscall.EINPROGRESS {
		closeFD(int(fd))
		return -1, errno
	}
	return int(fd), 0
}

// sockaddr parses "127.0.0.1:8080" into what connect(2) wants.
func sockaddr(addr string) (*syscall.RawSockaddrInet4, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if !ap.Addr().Is4() {
		return nil, fmt.Errorf("%s is not an IPv4 address", addr)
	}
	sa := &syscall.RawSockaddrInet4{Family: syscall.AF_INET, Addr: ap.Addr().As4()}
	*(*[2]byte)(unsafe.Pointer(&sa.Port)) = [2]byte{byte(ap.Port() >> 8), byte(ap.Port())} // network byte order
	return sa, nil
}

// A poller is one epoll instance. Its events carry the caller's number, a connection's index or descriptor.
type poller struct {
	fd     int
	events [256]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

func (p *poller) add(fd int, events uint32, number int) syscall.Errno {
	ev := syscall.EpollEvent{Events: events, Fd: int32(number)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.fd), syscall.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// wait blocks until something happens or the milliseconds are over; negative: for ever. A signal ends it early, with nothing.
func (p *poller) wait(milliseconds int) []syscall.EpollEvent {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), uintptr(milliseconds), 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}
