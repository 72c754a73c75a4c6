//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// UDP is measured like the echo over TCP, on the same addresses: the endpoints send back what they get, and each client is a socket
// of its own, which to the proxy is a session.

// udp says whether the work is datagrams.
func (sc scenario) udp() bool { return sc.Kind == datagrams }

// lostAfter is when a datagram counts as lost: an error, and its client goes on.
const lostAfter = int64(time.Second)

// findLost begins the next operation of each client whose datagram, or its answer, did not come.
func (l *clientLoop) findLost() {
	now := l.now()
	for at := range l.conns {
		if c := &l.conns[at]; c.fd >= 0 && now-c.started > lostAfter && (l.quota == 0 || c.did < l.quota) {
			if l.errors++; l.errors == 1 {
				l.firstError = "a datagram was lost"
			}
			l.next(at, c, now)
		}
	}
}

// dialUDP returns a socket that is connected to an address.
func dialUDP(to *syscall.RawSockaddrInet4) (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	_, _, errno = syscall.RawSyscall(syscall.SYS_CONNECT, fd, uintptr(unsafe.Pointer(to)), syscall.SizeofSockaddrInet4)
	if errno != 0 {
		closeFD(int(fd))
		return -1, errno
	}
	return int(fd), 0
}

// listenUDP opens a socket of an endpoint.
func (l *endpointLoop) listenUDP(as listener) (addr string, err error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	file, err := conn.(*net.UDPConn).File()
	if err != nil {
		return "", err
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		return "", err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return "", err
	}
	if errno := l.poll.add(fd, syscall.EPOLLIN, fd); errno != 0 {
		return "", errno
	}
	l.listeners[fd] = as
	return conn.LocalAddr().String(), nil
}

// sendBack answers what has come to an endpoint, some of it at a time.
func (l *endpointLoop) sendBack(fd int) {
	var from syscall.RawSockaddrInet4
	data := uintptr(unsafe.Pointer(unsafe.SliceData(l.buf)))
	for range 16 {
		size := uint32(syscall.SizeofSockaddrInet4)
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), data, uintptr(len(l.buf)), 0,
			uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		if errno != 0 {
			return
		}
		_, _, _ = syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), data, n, 0, uintptr(unsafe.Pointer(&from)), uintptr(size))
	}
}

// checkDatagrams: datagrams come back unchanged, for as many clients as there are endpoints.
func checkDatagrams(addr string) error {
	for i := range endpointCount {
		sent := bytes.Repeat([]byte{'a' + byte(i)}, echoBytes)
		got, err := askUDP(addr, sent, checkTimeout)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, sent) {
			return fmt.Errorf("%q came back as %q", sent, got)
		}
	}
	return nil
}

func askUDP(addr string, p []byte, patience time.Duration) ([]byte, error) {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(p); err != nil {
		return nil, err
	}
	got := make([]byte, 1<<16)
	n, err := conn.Read(got)
	return got[:n], err
}

// accepts says whether a proxy is there for a scenario.
func accepts(sc scenario, addr string) bool {
	if sc.udp() {
		_, err := askUDP(addr, make([]byte, echoBytes), 200*time.Millisecond)
		return err == nil
	}
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
