package udp

import (
	"syscall"

	"github.com/spillway-lb/spillway/proxy"
)

const (
	// largest is more than a datagram can have, so that none is ever cut.
	largest = 1 << 16
	// controlSize is room for what the kernel has to say beside a datagram.
	controlSize = 128
)

// dropOf says why a datagram could not be sent.
func dropOf(errno syscall.Errno) proxy.UDPDrop {
	switch errno {
	case syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM:
		return proxy.DropNoRoom
	case syscall.EMSGSIZE:
		return proxy.DropTooBig
	}
	return proxy.DropSendFailed
}
