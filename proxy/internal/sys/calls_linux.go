package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv receives what is there. 0 bytes without an error are the end of the
// stream. emptied says that there was less than was asked for, so that the next
// call will find nothing, or the end, unless something has come meanwhile.
func Recv(fd int, p []byte) (n int, emptied bool, errno syscall.Errno) {
	if errno := fault(reading, fd); errno != 0 {
		return 0, false, errno
	}
	ask := shorten(len(p))
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(ask), unix.MSG_DONTWAIT, 0, 0)
		if errno != syscall.EINTR {
			return int(n), int(n) < ask, errno
		}
	}
}

// Peek looks at the next byte and leaves it there: 1, 0 at the end of the
// stream, or EAGAIN when nothing is there. A pending error of the socket is
// told once, and here it is told to the caller.
func Peek(fd int) (int, syscall.Errno) {
	var b [1]byte
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(&b)), 1, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// PeekAt copies what is there, as far as p holds it, and leaves it there. 0 bytes
// without an error are the end of the stream. It is never short: who has seen the
// end come may rely on this being all.
func PeekAt(fd int, p []byte) (int, syscall.Errno) {
	if errno := fault(reading, fd); errno != 0 {
		return 0, errno
	}
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// Send sends as much of a and then b as the kernel takes, in one call. A peer
// that is gone is an error, and no SIGPIPE.
func Send(fd int, a, b []byte) (int, syscall.Errno) {
	if errno := fault(writing, fd); errno != 0 {
		return 0, errno
	}
	switch {
	case len(b) == 0:
		return send(fd, a)
	case len(a) == 0:
		return send(fd, b)
	}
	return sendBoth(fd, a, b)
}

const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

func send(fd int, p []byte) (int, syscall.Errno) {
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(shorten(len(p))), sendFlags, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

func sendBoth(fd int, a, b []byte) (int, syscall.Errno) {
	if k := shorten(len(a) + len(b)); k <= len(a) {
		return send(fd, a[:k])
	} else {
		b = b[:k-len(a)]
	}
	iov := [2]unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	iov[0].SetLen(len(a))
	iov[1].SetLen(len(b))
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(2)
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&msg)), sendFlags, 0, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// Fill moves up to n bytes from a socket into the pipe inside the kernel. 0
// bytes without an error are the end of the stream.
func (x *Pipe) Fill(from, n int) (int, syscall.Errno) {
	if errno := fault(filling, from); errno != 0 {
		return 0, errno
	}
	return splice(from, x.W, n)
}

// Drain moves up to n bytes, which the pipe holds, to a socket.
func (x *Pipe) Drain(to, n int) (int, syscall.Errno) {
	if errno := fault(draining, to); errno != 0 {
		return 0, errno
	}
	return splice(x.R, to, n)
}

// splice does not set SPLICE_F_MORE: it would keep the last, short segment back
// for 200 ms (golang.org/issue/10948 tells of it).
func splice(in, out, n int) (int, syscall.Errno) {
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(in), 0, uintptr(out), 0, uintptr(shorten(n)),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// Poll returns what poll(2) says of fd now, when asked for events.
func Poll(fd int, events int16) int16 {
	p := unix.PollFd{Fd: int32(fd), Events: events}
	var zero unix.Timespec
	for {
		if interrupted() {
			continue
		}
		// There is no poll on arm64.
		_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1,
			uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
		if errno != syscall.EINTR {
			return p.Revents
		}
	}
}

// BrokenOff reports whether the peer of a TCP connection, of which so many bytes were received and then an end,
// has broken it off. The kernel tells of a reset once, and splice(2) keeps that to itself if it has sent something
// before. But a peer that ends in good order does so with a FIN, which the kernel counts as a byte.
func BrokenOff(fd int, received int64) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_CLOSE && info.Bytes_received == uint64(received)
}
