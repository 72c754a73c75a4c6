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
	_   [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// RecvMessages receives as many datagrams as are there and m has room for, and
// returns how many. EAGAIN: there is none.
func RecvMessages(fd int, m []Message) (int, syscall.Errno) { return messages(recvmmsg, fd, m, 0) }

// RecvFailures is RecvMessages for what the kernel had to say of datagrams that
// were sent (IP_RECVERR, see ip(7)).
func RecvFailures(fd int, m []Message) (int, syscall.Errno) {
	return messages(recvmmsg, fd, m, unix.MSG_ERRQUEUE)
}

// SendMessages sends datagrams in order and returns how many the kernel took. An
// error is about the first of them, and none was sent then.
func SendMessages(fd int, m []Message) (int, syscall.Errno) { return messages(sendmmsg, fd, m, 0) }

const (
	recvmmsg = unix.SYS_RECVMMSG
	sendmmsg = unix.SYS_SENDMMSG
)

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
