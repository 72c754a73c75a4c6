package udp

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

const (
	// maxWaiting is how many datagrams of a session wait for the address of its
	// endpoint, and maxHeld how many bytes all of a shard may be, whoever sends them.
	// What is more is dropped.
	maxWaiting, maxHeld = 8, 4 << 20
	// An address is good for so long; that there is none, for not so long.
	nameTTL, noNameTTL = 30 * time.Second, time.Second
	// defaultLookup is how long finding out may take, if the service does not say.
	defaultLookup = 5 * time.Second
)

// A name is an endpoint's "host:port" and what it means.
type name struct {
	addr    netip.AddrPort // not valid: it could not be resolved
	err     error
	until   int64
	asking  bool
	waiting []*session
}

// resolve returns the address that an endpoint has. Where it is a name that is
// not known yet, s is connected when it is.
func (x *shard) resolve(s *session, hostPort string) (netip.AddrPort, bool) {
	n := x.names[hostPort]
	if n == nil {
		n = new(name)
		x.names[hostPort] = n
	}
	if !n.asking && x.now >= n.until {
		x.ask(n, s, hostPort)
	}
	if n.addr.IsValid() {
		return n.addr, true // perhaps an old one, until there is another
	}
	n.waiting = append(n.waiting, s)
	if !n.asking {
		x.wire.enter(func() { x.resolved(n) }) // with the same answer as a moment ago
	}
	return netip.AddrPort{}, false
}

// ask finds out. An address that needs no resolver is known at once.
func (x *shard) ask(n *name, s *session, hostPort string) {
	if a, err := netip.ParseAddrPort(hostPort); err == nil {
		n.addr, n.until = canonical(a), x.now+int64(nameTTL)
		return
	}
	n.asking = true
	timeout := cmp.Or(s.service.ConnectTimeout, defaultLookup)
	x.of.lookups.Go(func() {
		addr, err := lookup(x.of.ctx, hostPort, timeout)
		x.wire.enter(func() {
			n.asking, n.err = false, err
			if n.until = x.now + int64(noNameTTL); err == nil {
				n.addr, n.until = addr, x.now+int64(nameTTL)
			}
			x.resolved(n)
		})
	})
}

// resolved lets those go on who have waited.
func (x *shard) resolved(n *name) {
	waiting := n.waiting
	n.waiting = nil
	for _, s := range waiting {
		if s.newer == nil || s.port != nil || s.lease.Endpoint == nil {
			continue // it has ended, or found another way
		}
		held := x.unhold(s)
		if !n.addr.IsValid() {
			x.refused(s, causeDNS, n.err)
		} else {
			x.connect(s, n.addr)
		}
		for _, b := range held {
			switch {
			case s.port != nil:
				x.pass(s, b)
			case !x.elsewhere(s, b):
				x.drop(proxy.DropUnresolved)
			}
		}
		x.wire.flush()
	}
}

// hold keeps a copy of a datagram until its endpoint's address is known.
func (x *shard) hold(s *session, b []byte) {
	if len(s.waiting) == maxWaiting || x.held+len(b) > maxHeld {
		x.drop(proxy.DropUnresolved)
		return
	}
	x.held += len(b)
	s.waiting = append(s.waiting, bytes.Clone(b))
}

// unhold returns what hold has kept.
func (x *shard) unhold(s *session) [][]byte {
	held := s.waiting
	for _, b := range held {
		x.held -= len(b)
	}
	s.waiting = nil
	return held
}

// lose drops what waits.
func (x *shard) lose(s *session) {
	for range x.unhold(s) {
		x.drop(proxy.DropUnresolved)
	}
}

// forgetNames forgets those that are out of date.
func (x *shard) forgetNames() {
	for hostPort, n := range x.names {
		if !n.asking && len(n.waiting) == 0 && x.now >= n.until {
			delete(x.names, hostPort)
		}
	}
}

func lookup(ctx context.Context, hostPort string, timeout time.Duration) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(addrs) == 0 {
		return netip.AddrPort{}, &net.DNSError{Err: "no address", Name: host}
	}
	return canonical(netip.AddrPortFrom(addrs[0], uint16(number))), nil
}

// canonical gives an address the one form that those of received datagrams have:
// IPv4 unmapped, and a zone as a number.
func canonical(a netip.AddrPort) netip.AddrPort {
	addr := a.Addr().Unmap()
	if zone := addr.Zone(); zone != "" {
		if i, err := net.InterfaceByName(zone); err == nil {
			addr = addr.WithZone(strconv.Itoa(i.Index))
		}
	}
	return netip.AddrPortFrom(addr, a.Port())
}
