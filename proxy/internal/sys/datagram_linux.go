package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Message is one datagram of a batch, as recvmmsg(2) and sendmmsg(2) have it.
type Message struct {
	unix.Msghdr
	Len uint32 // bytes received or sent
}

// RecvMessages receives as many datagrams as are there and m has room for, and
// returns how many. EAGAIN: there is none. emptied says that there were fewer than
// were asked for, so that the next call will find none, unless some have come
// meanwhile.
func RecvMessages(fd int, m []Message) (n int, emptied bool, errno syscall.Errno) {
	return receive(fd, m, 0)
}

// RecvFailures is RecvMessages for what the kernel had to say of datagrams that
// were sent (IP_RECVERR, see ip(7)).
func RecvFailures(fd int, m []Message) (n int, emptied bool, errno syscall.Errno) {
	return receive(fd, m, unix.MSG_ERRQUEUE)
}

func receive(fd int, m []Message, flags uintptr) (n int, emptied bool, errno syscall.Errno) {
	if errno := fault(receiving, fd); errno != 0 {
		return 0, false, errno
	}
	m = m[:shorten(len(m))]
	n, errno = messages(unix.SYS_RECVMMSG, fd, m, flags)
	return n, n < len(m), errno
}

// SendMessages sends datagrams in order and returns how many the kernel took, which
// may be some of them. An error is about the first one, unless it is that of a
// datagram sent before; none was sent then.
func SendMessages(fd int, m []Message) (int, syscall.Errno) {
	if errno := fault(sending, fd); errno != 0 {
		return 0, errno
	}
	return messages(unix.SYS_SENDMMSG, fd, m[:shorten(len(m))], 0)
}

func messages(call uintptr, fd int, m []Message, flags uintptr) (int, syscall.Errno) {
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(m))),
			uintptr(len(m)), unix.MSG_DONTWAIT|flags, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}
