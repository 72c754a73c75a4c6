package udp

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"syscall"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// How a session finds an endpoint, and another one when that cannot be reached.

// maxRefused is after how many endpoints that could not be reached a datagram is
// given up. The session's next datagram tries the next one.
const maxRefused = 3

// place finds s an endpoint, and a port unless the endpoint has no address yet. If
// there is none it says why the datagram that s is for is to be dropped.
func (x *shard) place(s *session) (why proxy.UDPDrop, ok bool) {
	lease, err := x.pick(s)
	if errors.Is(err, lb.ErrNoEndpoint) && len(s.refused) > 0 {
		s.refused = nil // all have: perhaps they have come back
		lease, err = x.pick(s)
	}
	if err != nil {
		if errors.Is(err, lb.ErrSaturated) {
			s.service.Stats.Overflows.Count(err)
		}
		x.warn("no endpoint", s, err)
		return proxy.DropNoEndpoint, false
	}
	for ; err == nil; lease, err = x.pick(s) {
		refused := len(s.refused)
		switch {
		case x.settle(s, lease):
			return 0, true
		case len(s.refused) == refused:
			return proxy.DropNoPort, false
		case refused == maxRefused:
			return proxy.DropRefused, false
		}
	}
	return proxy.DropRefused, false
}

// elsewhere sends a datagram, which the endpoint that s was on did not get, to
// another that has not refused s. Where there is none, s's next datagram asks again.
func (x *shard) elsewhere(s *session, b []byte) bool {
	for s.lease.Endpoint == nil {
		if len(s.refused) > maxRefused || s.newer == nil { // it has ended
			return false
		}
		refused := len(s.refused)
		lease, err := x.pick(s)
		if err != nil || !x.settle(s, lease) && len(s.refused) == refused {
			return false
		}
	}
	if s.port == nil {
		x.hold(s, b)
	} else {
		x.send(s, b)
	}
	return true
}

// pick picks an endpoint for s, none that has refused it.
func (x *shard) pick(s *session) (lb.Lease, error) {
	if service := x.of.service.Load(); service != nil {
		s.service = service
	}
	rule := &s.service.Affinity
	if rule.Kind != affinity.None {
		s.service.Stats.AffinityHit.Add(1)
	}
	key := rule.FlowKey(affinity.Flow{
		Src: s.client, Dst: netip.AddrPortFrom(s.local, x.of.port), Proto: protocolUDP,
	})
	s.service.Stats.CountFlow(key, true, s.client.Addr)
	return x.of.pins.pick(s, lb.Request{Keyed: true, Avoid: s.refused, Key: key})
}

// protocolUDP is UDP's number in the IP header, a part of the 5-tuple.
const protocolUDP = 17

// settle puts s on an endpoint. If it cannot be reached, s has none.
func (x *shard) settle(s *session, lease lb.Lease) bool {
	s.lease, s.tried, s.answered, s.fresh = lease, lease.Endpoint.ID, false, true
	s.attempts++
	addr, ok := x.resolve(s, lease.Endpoint.Addr)
	return !ok || x.connect(s, addr)
}

// connect gives s a port to its endpoint.
func (x *shard) connect(s *session, to netip.AddrPort) bool {
	of := pair{addr: to}
	if from := s.service.From(s.client); from != nil {
		of.from = from(to.Addr())
	}
	err := x.nat.lend(s, x.nat.remote(of), x.now)
	switch {
	case err == nil:
		return true
	case isUnreachable(errnoOf(err)):
		x.refused(s, causeUnroutable, err)
	default:
		x.warn("no port", s, err)
		x.release(s, lb.Neutral, "")
	}
	return false
}

// answered notes that the endpoint is there.
func (x *shard) answered(s *session) {
	s.answered, s.refused, s.cause = true, nil, ""
	if s.replied == 0 {
		s.replied = x.now
	}
	s.service.Stats.Attempts[proxy.AttemptOK].Add(1)
	s.lease.Endpoint.Load.Connected() // the lease lasts as long as the session
}

// refused takes s off an endpoint that could not be reached.
func (x *shard) refused(s *session, cause string, err error) {
	x.warn("connect failed", s, err)
	s.service.Stats.Attempts[proxy.AttemptConnectFailure].Add(1)
	s.refused = append(s.refused, s.lease.Endpoint)
	s.cause = cause
	x.release(s, lb.ConnectFailure, cause)
}

// release takes s off its endpoint. out says whose fault that is, and reason, if it is
// the endpoint's, what it was.
func (x *shard) release(s *session, out lb.Outcome, reason string) {
	if s.lease.Endpoint == nil {
		return
	}
	s.lease.DoneFor(out, reason)
	s.lease = lb.Lease{}
	if s.port != nil {
		x.nat.giveBack(s, x.now)
	}
}

// outcome is for ends that nobody is to blame for: an endpoint that says nothing
// may have nothing to say.
func (s *session) outcome() lb.Outcome {
	if s.answered {
		return lb.Success
	}
	return lb.Neutral
}

// unsent is told that the kernel would not send a datagram of s by p.
func (x *shard) unsent(s *session, p *port, b []byte, errno syscall.Errno) {
	if !isUnreachable(errno) {
		x.drop(dropOf(errno))
		return
	}
	if s.port == p { // else an earlier one of the same batch has told so already
		x.refused(s, causeOf(errno), errno)
	}
	if !x.elsewhere(s, b) {
		x.drop(proxy.DropRefused)
	}
}

// failed is told what became of a datagram to a remote, some time after it was
// sent. Where nobody listens the session goes elsewhere, and so does the datagram,
// if it is the first one that the endpoint was to get. b is what came back of it,
// which may be a part, and may be forged: so it counts only where it is what was
// sent.
func (x *shard) failed(p *port, to netip.AddrPort, errno syscall.Errno, b []byte) {
	s := p.session(to)
	if !isUnreachable(errno) {
		x.drop(dropOf(errno))
		return
	}
	if s != nil {
		whole := !s.fresh && imprintOf(b) == s.first
		x.refused(s, causeOf(errno), errno)
		if whole && x.elsewhere(s, b) {
			return
		}
	}
	x.drop(proxy.DropRefused)
}

// isUnreachable reports whether an error says that the endpoint cannot be reached,
// and another perhaps can.
func isUnreachable(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES:
		return true
	}
	return false
}

func causeOf(errno syscall.Errno) string {
	if errno == syscall.ECONNREFUSED {
		return causeRefused
	}
	return causeUnroutable
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// An imprint tells a datagram from others, without keeping it.
type imprint struct {
	hash uint64
	size int
}

var imprintSeed = maphash.MakeSeed()

func imprintOf(b []byte) imprint { return imprint{maphash.Bytes(imprintSeed, b), len(b)} }
