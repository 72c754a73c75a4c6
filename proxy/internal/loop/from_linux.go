package loop

import (
	"net/netip"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// From names the address from which to connect to another; an invalid one is this
// machine's own.
type From func(to netip.Addr) netip.Addr

// address is what from says of to, if there is a from. A Unix socket is always
// connected to from nowhere.
func (from From) address(to *sys.Address) (at netip.Addr) {
	if from == nil {
		return at
	}
	if ip := to.IP(); ip.IsValid() {
		at = from(ip)
	}
	return at
}

// OriginalDestination is the address that the peer of an accepted connection has
// dialed before it was redirected to us; invalid if it has dialed us.
func (c *Conn) OriginalDestination() netip.AddrPort { return sys.OriginalDestination(int(c.fd)) }
