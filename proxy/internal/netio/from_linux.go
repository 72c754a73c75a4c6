package netio

import (
	"net/netip"
	"syscall"

	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// controlFrom makes a dialer's Control that binds each socket as from says.
func controlFrom(from func(to netip.Addr) netip.Addr) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, c syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil // a unix socket's
		}
		at := from(to.Addr().Unmap())
		if !at.IsValid() {
			return nil
		}
		if e := c.Control(func(fd uintptr) { err = sys.BindFrom(int(fd), at) }); e != nil {
			return e
		}
		return err
	}
}

// redirectedFrom is the address that the peer has dialed, if not ours.
func (r *raw) redirectedFrom() netip.AddrPort {
	var to netip.AddrPort
	if r.on {
		_ = r.rc.Control(func(fd uintptr) { to = sys.OriginalDestination(int(fd)) })
	}
	return to
}
