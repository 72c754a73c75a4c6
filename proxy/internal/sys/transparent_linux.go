package sys

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// originalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h, and with the same
// number IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h.
const originalDst = 80

// SetTransparent lets a socket have addresses that are not this machine's: to
// connect from, or to accept what TPROXY brings. It needs CAP_NET_ADMIN or
// CAP_NET_RAW; without either the error is EPERM.
func SetTransparent(fd int) error {
	v6, err := isIPv6(fd)
	if err == nil && v6 {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	} else if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	}
	return os.NewSyscallError("setsockopt(IP_TRANSPARENT)", err)
}

// BindFrom makes a socket of from's family, which is to be connected next, do so
// from an address that need not be this machine's. The kernel chooses the port, and
// only then: so one address has all ports towards each endpoint.
func BindFrom(fd int, from netip.Addr) error {
	if err := SetTransparent(fd); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt(IP_BIND_ADDRESS_NO_PORT)", err)
	}
	var at unix.Sockaddr = &unix.SockaddrInet6{Addr: from.As16()}
	if from.Is4() {
		at = &unix.SockaddrInet4{Addr: from.As4()}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, at))
}

// OriginalDestination is the address that the client of an accepted connection
// has dialed, where that is not the listener's: netfilter remembers it for what
// REDIRECT and DNAT have changed, and TPROXY makes it the socket's own. For a client
// that has dialed the listener it is invalid.
func OriginalDestination(fd int) netip.AddrPort {
	local := LocalAddr(fd)
	level := unix.SOL_IPV6
	if local.Addr().Is4() {
		level = unix.SOL_IP
	}
	// The call that this is made for has an answer of the same size.
	info, err := unix.GetsockoptIPv6MTUInfo(fd, level, originalDst)
	if err == nil {
		if to := AddrPort(&info.Addr); to != local {
			return to
		}
	}
	if on, err := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT); err == nil && on != 0 {
		return local
	}
	return netip.AddrPort{}
}

func isIPv6(fd int) (bool, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return domain == unix.AF_INET6, err
}

// IP is the address without its port; invalid for a Unix socket's.
func (a *Address) IP() netip.Addr {
	if a.Family() == unix.AF_UNIX {
		return netip.Addr{}
	}
	return AddrPort((*unix.RawSockaddrInet6)(unsafe.Pointer(&a.raw))).Addr()
}
