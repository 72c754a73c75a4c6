package tcp

import (
	"context"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// A streamSession is a session with a goroutine.
type streamSession struct {
	session
	client   *netio.Conn
	endpoint *netio.Conn     // nil until one has accepted
	ctx      context.Context // ends the dial
	cancel   context.CancelFunc

	mu      sync.Mutex
	relay   *relay.Relay // nil while connecting; from then on it has the causes
	cause   relay.Cause  // why the session does not end well; "" so far
	stopped bool         // it is to end now
}

func newStreamSession(e *Engine, conn net.Conn) *streamSession {
	s := &streamSession{client: netio.Wrap(conn)}
	s.begin(e, netio.AddrPort(conn.RemoteAddr()), time.Now())
	s.record.TLS = proxy.TLSInfoOf(s.client)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *streamSession) serve() {
	defer s.cancel()
	first := s.run()
	s.account(s.cause, s.client.Received(), s.client.Sent(), first, time.Now())
}

// run is the session from its first byte to its last. first is when the endpoint's
// first byte came, if any did.
func (s *streamSession) run() (first time.Time) {
	defer s.rescue()
	if s.routed() {
		s.endpoint = s.connect()
	}
	if s.endpoint == nil {
		s.client.Abort()
		return first
	}
	r := s.attach(s.endpoint)
	s.cause = r.Run()
	s.release(outcome(s.cause), string(s.cause))
	return r.First()
}

// rescue keeps a panic in one session's handling from ending the others'. It is to
// be deferred.
func (s *streamSession) rescue() {
	p := recover()
	if p == nil {
		return
	}
	stack := debug.Stack()
	s.client.Abort()
	if s.endpoint != nil {
		s.endpoint.Abort()
	}
	s.abandoned()
	s.mu.Lock()
	s.cause, s.stopped = causePanic, true
	s.mu.Unlock()
	s.logPanic(p, stack)
}

// connect finds an endpoint that accepts. Where there is none the connection is
// nil, and the session was cut.
func (s *streamSession) connect() *netio.Conn {
	defer s.watchClient()()
	s.key(s.local)
	s.destination(s.client.OriginalDestination)
	for {
		refused := s.next(s.ctx, time.Now())
		if refused == causeInLine {
			refused = s.await()
		}
		if refused != "" {
			s.cut(refused)
			return nil
		}
		conn, err := s.dial(s.lease.Endpoint)
		if err == nil {
			s.connected(time.Now())
			return conn
		}
		if s.client.Broken() {
			s.cut(relay.ClientGone)
		}
		if s.wasCut() { // nobody waits for it any more
			s.abandoned()
			return nil
		}
		if refused := s.failed(err, time.Now()); refused != "" {
			s.cut(refused)
			return nil
		}
	}
}

// await waits in line for an endpoint, for as long as the client does.
func (s *streamSession) await() (refused relay.Cause) {
	since, over := time.Now(), make(chan struct{})
	w, err := s.service.Balancer.Enqueue(s.request, time.Time{}, func() { close(over) })
	if err != nil {
		return s.got(lb.Lease{}, err, since)
	}
	select {
	case <-over:
	case <-s.ctx.Done():
	}
	lease, err := w.Leave()
	now := time.Now()
	s.waited(since, now)
	if err != nil && s.wasCut() {
		return relay.ClientGone // or whatever it was cut for, which counts
	}
	return s.got(lease, err, now)
}

// local is where the client has connected to.
func (s *streamSession) local() netip.AddrPort { return netio.AddrPort(s.client.LocalAddr()) }

func (s *streamSession) dial(e *balance.Endpoint) (*netio.Conn, error) {
	o := secure.Options{
		Endpoint: e,
		TLS:      s.service.TLS,
		Timeout:  s.service.ConnectTimeout,
		From:     s.service.From(s.record.Client),
	}
	if o.TLS != nil {
		o.First = s.header(s.local)
	}
	return secure.Dial(s.ctx, o)
}

// watchClient ends the session if the client resets its connection while the
// dial takes its time. A client that has only closed its sending side still
// waits for an answer.
func (s *streamSession) watchClient() (stop func() bool) {
	var timer *time.Timer
	s.mu.Lock() // the timer may fire before it is assigned
	defer s.mu.Unlock()
	timer = time.AfterFunc(askClient, func() {
		s.mu.Lock()
		connecting := s.relay == nil && !s.stopped
		s.mu.Unlock()
		if !connecting {
			return
		}
		if s.client.Broken() {
			s.cut(relay.ClientGone)
			return
		}
		timer.Reset(askClient)
	})
	return timer.Stop
}

// attach joins the endpoint's connection to the client's. From here on the relay
// is what those stop who stop the session.
func (s *streamSession) attach(endpoint *netio.Conn) *relay.Relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay = relay.New(s.client, endpoint, s.relayOptions(s.local))
	if s.stopped {
		s.relay.Cut(s.cause) // it came while we were still connecting
	}
	return s.relay
}

// cut ends the session because of cause. The first cause counts.
func (s *streamSession) cut(cause relay.Cause) {
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
	s.client.Interrupt() // perhaps it is being listened to
}

// limit bounds how long the client is listened to; 0: not at all. It reports false
// if the session was cut.
func (s *streamSession) limit(t time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped && t > 0 {
		s.client.ReadBy(time.Now().Add(t))
	}
	return !s.stopped
}

// cutIfDoomed ends a session that is connected to one of those endpoints.
func (s *streamSession) cutIfDoomed(those proxy.Doomed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relay == nil {
		return // the lease may still change
	}
	if cause := s.doomed(those); cause != "" {
		s.relay.Cut(cause)
	}
}

// wasCut reports whether the session was cut while it was connecting.
func (s *streamSession) wasCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}
