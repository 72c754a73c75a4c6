//go:build !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
)

// A kind is what is to be known of a listening socket.
type kind struct {
	wildcard bool // for every address of the machine
	local    netip.Addr
}

type (
	loopPort struct{}
	rawAddr  struct{}
)

func rawOf(netip.AddrPort) rawAddr { return rawAddr{} }

func (l *Listener) openLoops() error { return errors.ErrUnsupported }

func listenPacket(addr string, _ bool) (*net.UDPConn, error) {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// configure gives a socket of somebody else's what ours have, which is nothing.
func configure(*net.UDPConn) error { return nil }

func dial(to *remote) (*net.UDPConn, error) {
	return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to.addr))
}

func kindOfConn(c *net.UDPConn) kind {
	local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	return kind{wildcard: local.IsUnspecified(), local: local.Unmap()}
}

// destination is not known here: answers leave from where the system sends them.
func destination(_ []byte, k *kind) netip.Addr { return k.local }

func putSource(*[controlSize]byte, flow, *kind) int { return 0 }
