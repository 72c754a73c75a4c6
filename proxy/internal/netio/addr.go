package netio

import (
	"net"
	"net/netip"
)

// AddrPort is the address of an end of a TCP connection, IPv4 as such; invalid for
// what has no such address, like the client of a Unix socket.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// OriginalDestination is the address that the peer of an accepted connection has
// dialed before it was redirected to us, or what SetAddrs has said instead. It is
// invalid if it has dialed us, or the platform cannot tell.
func (c *Conn) OriginalDestination() netip.AddrPort {
	if told := AddrPort(c.local); told.IsValid() {
		return told
	}
	switch c.sock {
	case nil:
		return netip.AddrPort{}
	case c:
		return c.raw.redirectedFrom()
	default: // below TLS
		return c.sock.OriginalDestination()
	}
}
