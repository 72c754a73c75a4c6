package netio

import (
	"net"
	"net/netip"
)

// OriginalDestination is the address that the peer of an accepted connection has
// dialed before it was redirected to us, or what SetAddrs has said instead. It is
// invalid if it has dialed us, or the platform cannot tell.
func (c *Conn) OriginalDestination() netip.AddrPort {
	if told, ok := c.local.(*net.TCPAddr); ok {
		to := told.AddrPort()
		return netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
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
