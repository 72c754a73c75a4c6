//go:build !linux

package netio

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

func controlFrom(from func(to netip.Addr) netip.Addr) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, _ syscall.RawConn) error {
		return fmt.Errorf("to connect from another's address: %w", errors.ErrUnsupported)
	}
}

// redirectedFrom is invalid: only Linux can tell.
func (r *raw) redirectedFrom() netip.AddrPort { return netip.AddrPort{} }
