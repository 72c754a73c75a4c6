package loop

import (
	"net/netip"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// From names the address from which to connect to another; an invalid one is this
// machine's own.
type From func(to netip.Addr) netip.Addr

// bind makes a socket connect to an address as from wants it.
func (from From) bind(fd int, to *sys.Address) error {
	ip := to.IP()
	if !ip.IsValid() {
		return nil // a Unix socket's
	}
	if at := from(ip); at.IsValid() {
		return sys.BindFrom(fd, at)
	}
	return nil
}

// OriginalDestination is the address that the peer of an accepted connection has
// dialed before it was redirected to us; invalid if it has dialed us.
func (c *Conn) OriginalDestination() netip.AddrPort { return sys.OriginalDestination(int(c.fd)) }
