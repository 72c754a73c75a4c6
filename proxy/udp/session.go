package udp

import (
	"net/netip"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A flow is the 5-tuple of a client's datagrams. The protocol and the listener's
// port are the same for all that a listener knows.
type flow struct {
	client netip.AddrPort
	local  netip.Addr // where the client sends to, and answers come from
}

// A session is a flow and the endpoint it is on. It has no goroutine and no
// buffer, only a place on a port.
type session struct {
	flow
	older, newer *session // by their last datagrams
	last         int64

	service *proxy.Service
	lease   lb.Lease            // without an endpoint: it needs one, for the client's next datagram
	refused []*balance.Endpoint // what did not want it since the last answer
	pin     *pin                // nil: none

	remote  *remote // nil, like port: the endpoint has no address yet, or there is no endpoint
	port    *port
	waiting [][]byte // datagrams until there is one
	fresh   bool     // nothing was sent to the endpoint yet
	first   imprint  // of what was sent to it first

	began             int64
	replied           int64 // when the first answer came; 0: not yet
	answered          bool  // by the endpoint it is on
	attempts          int
	tried             string // ID of the last endpoint
	cause             string // why it has no endpoint now
	bytesIn, bytesOut int64
}

// sessions are in the order of their last datagrams. It is a ring through itself.
type sessions struct{ root session }

func (l *sessions) init() { l.root.older, l.root.newer = &l.root, &l.root }

// oldest is nil where there is none.
func (l *sessions) oldest() *session {
	if s := l.root.newer; s != &l.root {
		return s
	}
	return nil
}

// touch makes s, which may be new, the one that was used last.
func (l *sessions) touch(s *session, now int64) {
	s.last = now
	if s.newer == &l.root {
		return
	}
	if s.newer != nil {
		s.unlink()
	}
	newest := l.root.older
	s.older, s.newer = newest, &l.root
	newest.newer, l.root.older = s, s
}

func (s *session) unlink() {
	s.older.newer, s.newer.older = s.newer, s.older
	s.older, s.newer = nil, nil
}

// record is the session's line in the access log.
func (s *session) record(x *shard, now int64, cause string) *proxy.Record {
	r := &proxy.Record{
		Time:     x.of.epoch.Add(time.Duration(s.began)),
		Listener: x.of.opt.Name,
		Service:  s.service.Name,
		Client:   s.client,
		Protocol: "UDP",
		BytesIn:  s.bytesIn,
		BytesOut: s.bytesOut,
		Attempts: s.attempts,
		Endpoint: s.tried,
		Total:    time.Duration(now - s.began),
		Cause:    cause,
	}
	if s.replied != 0 {
		r.First = time.Duration(s.replied - s.began)
	}
	return r
}
