package sys

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller is an epoll descriptor.
type Poller struct {
	withheld
	FD int
}

// Ask says, in events, what has happened since, without waiting.
func (p *Poller) Ask(events []unix.EpollEvent) int {
	for {
		if interrupted() {
			continue
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.FD),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(p.room(len(events))), 0, 0, 0)
		if errno != syscall.EINTR {
			return p.stir(events, max(int(n), 0))
		}
	}
}

// AskFor is Ask, and waits for up to d, which is to be short: the scheduler does
// not know that its processor is idle. Kernels before 5.11, and some sandboxes,
// do not wait.
func (p *Poller) AskFor(events []unix.EpollEvent, d time.Duration) int {
	wait := unix.NsecToTimespec(int64(d))
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.FD),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(p.room(len(events))), uintptr(unsafe.Pointer(&wait)), 0, 0)
	if errno != 0 {
		return p.Ask(events)
	}
	return p.stir(events, int(n))
}

// Control is epoll_ctl(2). Only adding a descriptor can fail, for want of memory
// (ENOMEM) or at a limit of the system (ENOSPC).
func (p *Poller) Control(op, fd int, e *unix.EpollEvent) syscall.Errno {
	if op == unix.EPOLL_CTL_ADD {
		if errno := fault(registering, fd); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.FD), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(e)), 0, 0)
	return errno
}
