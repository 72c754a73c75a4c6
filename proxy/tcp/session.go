package tcp

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// A session is one client's connection and the endpoint's connection that it is
// relayed to.
type session struct {
	engine  *Engine
	service *proxy.Service // nil: none yet
	client  *netio.Conn
	record  proxy.Record

	ctx    context.Context // ends the dial
	cancel context.CancelFunc

	mu      sync.Mutex
	relay   *relay.Relay // nil while connecting; from then on it has the causes
	cause   relay.Cause  // why the session does not end well; "" so far
	stopped bool         // it is to end now
}

// Causes that the access log shows besides those of a relay: error types of
// RFC 9209 §2.3 where one fits.
const (
	causeNobody     relay.Cause = "destination_unavailable"
	causeFull       relay.Cause = "connection_limit_reached"
	causeRefused    relay.Cause = "connection_refused"
	causeUnroutable relay.Cause = "destination_ip_unroutable"
	causeDNS        relay.Cause = "dns_error"
	causeTimeout    relay.Cause = "connection_timeout"
	causeAborted    relay.Cause = "aborted"
)

func newSession(e *Engine, conn net.Conn) *session {
	s := &session{engine: e, service: e.service.Load(), client: netio.Wrap(conn)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.record = proxy.Record{
		Time: time.Now(), Listener: e.listener, Protocol: "TCP", Client: addrPort(conn.RemoteAddr()),
	}
	if s.service != nil {
		s.record.Service = s.service.Name
	}
	return s
}

// addrPort is invalid for what has no address, such as a unix socket's client.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (s *session) serve() {
	defer s.cancel()
	lease, endpoint := s.connect()
	if endpoint == nil {
		s.client.Abort()
	} else {
		s.cause = s.attach(endpoint).Run()
		lease.Done(outcome(s.cause))
	}
	if s.engine.access != nil {
		s.writeRecord()
	}
}

// attach joins the endpoint's connection to the client's. From here on the relay
// is what those stop who stop the session.
func (s *session) attach(endpoint *netio.Conn) *relay.Relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay = relay.New(s.client, endpoint, relay.Options{
		Idle:      s.service.Timeout,
		Stats:     s.service.Stats,
		Counters:  &s.engine.counters.Counters,
		NoteFirst: s.engine.access != nil,
	})
	if s.stopped {
		s.relay.Cut(s.cause) // it came while we were still connecting
	}
	return s.relay
}

// cut ends the session because of cause. The first cause counts.
func (s *session) cut(cause relay.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relay != nil {
		s.relay.Cut(cause)
		return
	}
	if !s.stopped {
		s.cause, s.stopped = cause, true
	}
	s.cancel()
}

// wasCut reports whether the session was cut while it was connecting.
func (s *session) wasCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// outcome says whose fault an end was, once an endpoint was connected.
func outcome(cause relay.Cause) lb.Outcome {
	switch cause {
	case relay.Well:
		return lb.Success
	case relay.EndpointReset:
		return lb.Failure
	default:
		return lb.Neutral // the client's or our own
	}
}

func (s *session) writeRecord() {
	r := &s.record
	r.Cause = string(s.cause)
	r.Total = time.Since(r.Time)
	r.BytesIn = s.client.Received()
	r.BytesOut = s.client.Sent()
	if s.relay != nil {
		if first := s.relay.First(); !first.IsZero() {
			r.First = first.Sub(r.Time)
		}
	}
	s.engine.access.Write(r)
}
