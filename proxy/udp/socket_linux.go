package udp

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A kind is what is to be known of a listening socket.
type kind struct {
	is6      bool // of the IPv6 family, which may get IPv4, too
	wildcard bool // for every address of the machine
	local    netip.Addr
}

// bufferSize is what the kernel is asked to hold for a listening socket: bursts of
// many clients meet there. It gives what net.core.rmem_max allows.
const bufferSize = 4 << 20

// listenAll opens n sockets on an address. The first is opened as anybody would, to
// see that the address is free: sockets that share a port would share it with
// another process, too.
func listenAll(addr string, n int) (fds []int, local netip.AddrPort, err error) {
	fd, local, err := listen(addr, false)
	if err != nil || n == 1 {
		return []int{fd}, local, err
	}
	unix.Close(fd)
	for range n {
		fd, local, err = listen(local.String(), true)
		if err != nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
			return nil, local, err
		}
		fds = append(fds, fd)
	}
	return fds, local, nil
}

func listen(addr string, shared bool) (int, netip.AddrPort, error) {
	c, err := listenPacket(addr, shared)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	return duplicate(c)
}

// adoptAll takes sockets that somebody else has opened.
func adoptAll(files []*os.File) (fds []int, local netip.AddrPort, err error) {
	for _, f := range files {
		var fd int
		c, err := adopt(f)
		if err == nil {
			fd, local, err = duplicate(c)
		}
		if err != nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
			return nil, local, err
		}
		fds = append(fds, fd)
	}
	return fds, local, nil
}

// duplicate keeps a connection's socket and nothing else of it.
func duplicate(c *net.UDPConn) (int, netip.AddrPort, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	var fd int
	if e := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, netip.AddrPort{}, e
	}
	return fd, c.LocalAddr().(*net.UDPAddr).AddrPort(), os.NewSyscallError("fcntl", err)
}

func listenPacket(addr string, shared bool) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = prepare(int(fd), shared) }); e != nil {
			return e
		}
		return os.NewSyscallError("setsockopt", err)
	}}
	c, err := config.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// configure gives a socket of somebody else's what ours have.
func configure(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { err = prepare(int(fd), false) })
}

// prepare sets the options of a listening socket.
func prepare(fd int, shared bool) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferSize)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bufferSize)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1) // one of the two is for this family
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	if shared {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	return nil
}

func kindOf(fd int, local netip.AddrPort) kind {
	family, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return kind{is6: family == unix.AF_INET6, wildcard: local.Addr().IsUnspecified(), local: local.Addr().Unmap()}
}

func kindOfConn(c *net.UDPConn) (k kind) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { k = kindOf(int(fd), c.LocalAddr().(*net.UDPAddr).AddrPort()) })
	}
	return k
}

// openPort opens a socket on a port of the kernel's choice, for endpoints of one
// family, and as to wants it at the address of a client.
func openPort(to *remote) (int, error) {
	is4 := to.addr.Addr().Is4()
	family, level, option := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	var any unix.Sockaddr = &unix.SockaddrInet6{}
	if is4 {
		family, level, option, any = unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR, &unix.SockaddrInet4{}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if !is4 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, level, option, 1)
	}
	switch {
	case err != nil:
	case to.from.IsValid():
		err = sys.BindFrom(fd, to.from)
	default:
		err = unix.Bind(fd, any)
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// dial opens a socket that is connected to an endpoint, as to wants it from the
// address of a client.
func dial(to *remote) (*net.UDPConn, error) {
	if !to.from.IsValid() {
		return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to.addr))
	}
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = sys.BindFrom(int(fd), to.from) }); e != nil {
			return e
		}
		return err
	}}
	c, err := d.Dial("udp", to.addr.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// destination is the address that a datagram was sent to; where that is no address
// of one machine, the one to answer from.
func destination(b []byte, k *kind) netip.Addr {
	// A socket of both families has both for a datagram of IPv4.
	if data := control(b, unix.SOL_IP, unix.IP_PKTINFO); data != nil {
		return netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
	}
	if data := control(b, unix.SOL_IPV6, unix.IPV6_PKTINFO); data != nil {
		if a := netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr).Unmap(); !a.IsMulticast() {
			return a
		}
	}
	return k.local
}

// putSource writes what makes the kernel send from f's local address, and returns
// how long it is; 0: the socket has one address only.
func putSource(b *[controlSize]byte, f flow, k *kind) int {
	if !k.wildcard || f.local.IsUnspecified() {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(b))
	data := unsafe.Pointer(&b[unix.CmsgLen(0)])
	if k.is6 {
		h.Level, h.Type = unix.SOL_IPV6, unix.IPV6_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: f.local.As16(), Ifindex: scope(f.client.Addr())}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	h.Level, h.Type = unix.SOL_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: f.local.As4()}
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

// control finds a control message; nil: there is none. The kernel has written them,
// so they are whole.
func control(b []byte, level, kind int32) (data []byte) {
	for len(b) >= unix.CmsgLen(1) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		if h.Level == level && h.Type == kind {
			return b[unix.CmsgLen(0):h.Len]
		}
		b = b[min(unix.CmsgSpace(int(h.Len)-unix.CmsgLen(0)), len(b)):]
	}
	return nil
}
