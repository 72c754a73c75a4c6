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

	up, down pump // from the client, to the client

	mu       sync.Mutex
	endpoint *netio.Conn // nil while connecting
	cause    string      // why the session does not end well; "" so far
	stopped  bool        // both pumps are to end now
	watch    watch
}

// Causes that the access log shows: error types of RFC 9209 §2.3 where one fits.
const (
	causeNobody     = "destination_unavailable"
	causeFull       = "connection_limit_reached"
	causeRefused    = "connection_refused"
	causeUnroutable = "destination_ip_unroutable"
	causeDNS        = "dns_error"
	causeTimeout    = "connection_timeout"
	causeReset      = "connection_terminated"
	causeIdle       = "connection_read_timeout"
	causeClient     = "client_gone"
	causeAborted    = "aborted"
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
		s.relay(endpoint)
		lease.Done(outcome(s.cause))
	}
	if s.engine.access != nil {
		s.writeRecord(endpoint)
	}
}

// relay runs both pumps and closes both connections.
func (s *session) relay(endpoint *netio.Conn) {
	s.up = pump{session: s, src: s.client, dst: endpoint, other: &s.down, blame: causeReset}
	s.down = pump{session: s, src: endpoint, dst: s.client, other: &s.up, blame: causeClient}
	s.up.init()
	s.down.init()
	s.attach(endpoint)

	var pumps sync.WaitGroup
	pumps.Go(s.up.run)
	s.down.run()
	pumps.Wait()

	s.unwatch()
	if s.cause == "" || s.cause == causeIdle {
		s.client.Close()
		endpoint.Close()
		return
	}
	// A peer must not take for a whole stream what was cut: it gets a reset.
	s.client.Abort()
	endpoint.Abort()
}

// attach makes the endpoint's connection known to those who may stop the
// session, and begins to watch for silence.
func (s *session) attach(endpoint *netio.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint = endpoint
	if s.stopped {
		s.stop() // it came while we were still connecting
	}
	s.startWatch()
}

// cut ends the session because of cause. The first cause counts.
func (s *session) cut(cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == "" && !s.stopped {
		s.cause = cause
	}
	s.stop()
}

// note records why the session does not end well, and lets it go on to its end.
func (s *session) note(cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == "" && !s.stopped {
		s.cause = cause
	}
}

// end stops a session that has ended well.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// stop ends the dial and wakes both pumps. Caller holds s.mu.
func (s *session) stop() {
	s.stopped = true
	s.cancel()
	s.client.Interrupt()
	if s.endpoint != nil {
		s.endpoint.Interrupt()
	}
}

// cutNow reports whether the session was cut, and why.
func (s *session) cutNow() (cause string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause, s.stopped
}

// outcome says whose fault an end was, once an endpoint was connected.
func outcome(cause string) lb.Outcome {
	switch cause {
	case "":
		return lb.Success
	case causeReset:
		return lb.Failure
	default:
		return lb.Neutral // the client's or our own
	}
}

func (s *session) writeRecord(endpoint *netio.Conn) {
	r := &s.record
	r.Cause = s.cause
	r.Total = time.Since(r.Time)
	r.BytesIn = s.client.Received()
	r.BytesOut = s.client.Sent()
	if endpoint != nil && !s.down.first.IsZero() {
		r.First = s.down.first.Sub(r.Time)
	}
	s.engine.access.Write(r)
}
