package udp

import (
	"net"
	"net/netip"
	"slices"
	"time"
)

// The endpoint tells clients apart by the port that we send from, and so do we
// when it answers. One port serves one session of each of several endpoints: who
// sends says whose it is. So there are as many sockets as the busiest endpoint
// has sessions, and not as many as there are sessions.

const (
	// quarantine is how long a port is not used for another session of the same
	// endpoint: until then, what it sends is an answer to the one before.
	quarantine = 30 * time.Second
	// maxShared bounds how long we look for whom an answer is.
	maxShared = 32
	// maxClosed is how many ports are closed at once.
	maxClosed = 200
)

// A nat is a shard's ports.
type nat struct {
	open    func(to *remote) (*port, error)
	remotes map[pair]*remote
	ports   []*port // by serial
	serial  uint64
}

// A pair is whom datagrams go to, and whom they come from.
type pair struct {
	addr netip.AddrPort // an endpoint's
	from netip.Addr     // a client's (see proxy.ClientSource), or invalid: this machine's
}

// A remote is the address of an endpoint, for those who come from one address.
type remote struct {
	pair
	raw    rawAddr
	rested []rest // ports that were given back, the first one first
	cursor uint64 // ports below this serial have been used for it, or passed over
	refs   int    // sessions
}

type rest struct {
	port *port
	at   int64
}

// A port is a socket towards endpoints.
type port struct {
	serial uint64
	is4    bool
	from   netip.Addr // bound to it; invalid: to no address
	only   *remote    // connected to it; nil: to nobody
	slots  []slot
	used   int   // slots with a session
	since  int64 // when one was last given back
	closed bool
	shut   func()
	loopPort
	stream *net.UDPConn // without loops
}

// A slot is what a port means to one remote.
type slot struct {
	remote  *remote
	session *session // nil: in quarantine, or over
}

// remote finds or makes the one of this pair.
func (n *nat) remote(p pair) *remote {
	to := n.remotes[p]
	if to == nil {
		to = &remote{pair: p, raw: rawOf(p.addr)}
		n.remotes[p] = to
	}
	return to
}

// lend gives s a port to its remote.
func (n *nat) lend(s *session, to *remote, now int64) error {
	p := n.restedPort(to, now)
	if p == nil && !to.from.IsValid() { // a client's own address is hardly worth the search
		p = n.unusedPort(to)
	}
	if p == nil {
		var err error
		if p, err = n.open(to); err != nil {
			return err
		}
		n.serial++
		p.serial, p.is4, p.from = n.serial, to.addr.Addr().Is4(), to.from
		n.ports = append(n.ports, p)
		to.cursor = p.serial + 1
	}
	s.remote, s.port = to, p
	to.refs++
	p.used++
	for i := range p.slots {
		if p.slots[i].remote == to {
			p.slots[i].session = s
			return nil
		}
	}
	p.slots = append(p.slots, slot{to, s})
	return nil
}

// restedPort returns the port whose quarantine has been over for longest.
func (n *nat) restedPort(to *remote, now int64) *port {
	for len(to.rested) > 0 {
		r := to.rested[0]
		if !r.port.closed && now-r.at < int64(quarantine) {
			return nil
		}
		to.rested = to.rested[1:]
		if !r.port.closed {
			return r.port
		}
	}
	return nil
}

// unusedPort returns one that was never used for to.
func (n *nat) unusedPort(to *remote) *port {
	i, _ := slices.BinarySearchFunc(n.ports, to.cursor, func(p *port, serial uint64) int {
		if p.serial < serial {
			return -1
		}
		return 1
	})
	for ; i < len(n.ports); i++ {
		p := n.ports[i]
		to.cursor = p.serial + 1
		if p.is4 == to.addr.Addr().Is4() && p.from == to.from && p.only == nil && len(p.slots) < maxShared {
			return p
		}
	}
	return nil
}

// giveBack takes s's port back.
func (n *nat) giveBack(s *session, now int64) {
	p, to := s.port, s.remote
	s.port, s.remote = nil, nil
	p.since = now
	p.used--
	to.refs--
	to.rested = append(to.rested, rest{p, now})
	for i := range p.slots {
		if p.slots[i].remote == to {
			p.slots[i].session = nil
		}
	}
}

// session finds whose datagrams from addr on p are.
func (p *port) session(from netip.AddrPort) *session {
	for i := range p.slots {
		if p.slots[i].remote.addr == from {
			return p.slots[i].session
		}
	}
	return nil
}

// sweep closes ports that nobody needs, and forgets remotes. It reports whether
// there may be more to close.
func (n *nat) sweep(now int64) (more bool) {
	shut := 0
	n.ports = slices.DeleteFunc(n.ports, func(p *port) bool {
		if p.used > 0 || now-p.since < int64(quarantine) || shut == maxClosed {
			return false
		}
		shut++
		p.closed = true
		p.shut()
		return true
	})
	for of, to := range n.remotes {
		for len(to.rested) > 0 && to.rested[0].port.closed {
			to.rested = to.rested[1:]
		}
		if to.refs == 0 && len(to.rested) == 0 {
			delete(n.remotes, of)
		}
	}
	return shut == maxClosed
}

// closeAll closes every port.
func (n *nat) closeAll() {
	for _, p := range n.ports {
		p.closed = true
		p.shut()
	}
	n.ports = nil
	clear(n.remotes)
}
