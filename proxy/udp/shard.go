package udp

import (
	"errors"
	"log/slog"
	"net/netip"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A shard is one of a listener's sockets with the sessions of the clients whose
// datagrams come in there. Clients stay with their socket: the kernel goes by the
// addresses and the number of sockets. All of a shard is for one goroutine at a
// time; who that is, its wire knows.
type shard struct {
	of       *Listener
	wire     wire
	now      int64 // since the listener's epoch, as of this batch
	flows    map[flow]*session
	sessions sessions
	nat      nat
	names    map[string]*name
	ending   bool
}

// A wire is what a shard's datagrams go through: an event loop, or goroutines.
type wire interface {
	// open opens a port that can send to an address of to's family.
	open(to *remote) (*port, error)
	// toEndpoint and toClient send a datagram, at the latest when flush is called;
	// b is to stay as it is until then.
	toEndpoint(s *session, b []byte)
	toClient(s *session, b []byte)
	flush()
	// enter has f called with the shard held, soon.
	enter(f func())
	// start begins to receive, wait waits until close has ended all of it, and
	// discard closes what was never started.
	start()
	wait()
	discard() error
	// now is the time, or when the loop's turn began.
	now() time.Time
	// close closes the listening socket. It is called with the shard held.
	close()
}

func newShard(l *Listener) *shard {
	x := &shard{of: l, flows: make(map[flow]*session), names: make(map[string]*name)}
	x.nat.remotes = make(map[pair]*remote)
	x.nat.open = func(to *remote) (*port, error) { return x.wire.open(to) }
	x.sessions.init()
	return x
}

// look looks at the clock, for all that is done until the next look.
func (x *shard) look() { x.now = int64(x.wire.now().Sub(x.of.epoch)) }

// fromClient passes a datagram on, in its session or a new one.
func (x *shard) fromClient(f flow, b []byte) {
	s := x.flows[f]
	switch {
	case s == nil:
		if s = x.begin(f); s == nil {
			return
		}
	case s.lease.Endpoint == nil:
		if !x.place(s) {
			x.end(s, causeNobody)
			return
		}
	}
	x.sessions.touch(s, x.now)
	switch {
	case s.port != nil:
		x.wire.toEndpoint(s, b)
		x.passed(s, b)
	case len(s.waiting) < maxWaiting:
		s.waiting = append(s.waiting, append([]byte(nil), b...))
	default:
		x.drop(proxy.DropUnresolved)
	}
}

// passed counts a datagram of a client.
func (x *shard) passed(s *session, b []byte) {
	s.bytesIn += int64(len(b))
	count := &s.service.Stats.UDP
	count.Datagrams[proxy.FromClient].Add(1)
	count.Bytes[proxy.FromClient].Add(uint64(len(b)))
}

// fromEndpoint passes an answer on to the client whose session it belongs to.
func (x *shard) fromEndpoint(p *port, from netip.AddrPort, b []byte) {
	s := p.session(from)
	if s == nil {
		x.drop(proxy.DropStray)
		return
	}
	if !s.answered {
		x.answered(s)
	}
	x.sessions.touch(s, x.now)
	s.bytesOut += int64(len(b))
	count := &s.service.Stats.UDP
	count.Datagrams[proxy.ToClient].Add(1)
	count.Bytes[proxy.ToClient].Add(uint64(len(b)))
	x.wire.toClient(s, b)
}

// begin makes a session for a client that has none.
func (x *shard) begin(f flow) *session {
	service := x.of.service.Load()
	switch {
	case x.of.draining.Load():
		x.drop(proxy.DropDraining)
		return nil
	case service == nil:
		x.drop(proxy.DropNoEndpoint)
		return nil
	case !x.of.admit():
		x.drop(proxy.DropMaxSessions)
		return nil
	}
	s := &session{flow: f, service: service, began: x.now}
	if !x.place(s) {
		x.of.pins.leave(s)
		x.of.active.Add(-1)
		return nil
	}
	x.flows[f] = s
	return s
}

// place finds s an endpoint and a port. Where there is none, it has dropped the
// datagram that s is for.
func (x *shard) place(s *session) bool {
	lease, err := x.pick(s)
	if err != nil {
		x.drop(proxy.DropNoEndpoint)
		x.warn("no endpoint", s, err)
		return false
	}
	s.lease, s.tried, s.answered = lease, lease.Endpoint.ID, false
	s.attempts++
	addr, ok := x.resolve(s, lease.Endpoint.Addr)
	if !ok {
		return true
	}
	return x.connect(s, addr)
}

// pick picks an endpoint for s: none that has refused it, unless all have.
func (x *shard) pick(s *session) (lb.Lease, error) {
	if service := x.of.service.Load(); service != nil {
		s.service = service
	}
	rule := &s.service.Affinity
	if rule.Kind != affinity.None {
		s.service.Stats.AffinityHit.Add(1)
	}
	r := lb.Request{Keyed: true, Avoid: s.refused, Key: rule.FlowKey(affinity.Flow{
		Src: s.client, Dst: netip.AddrPortFrom(s.local, x.of.port), Proto: protocolUDP,
	})}
	lease, err := x.of.pins.pick(s, r)
	if errors.Is(err, lb.ErrNoEndpoint) && len(s.refused) > 0 {
		s.refused, r.Avoid = nil, nil
		lease, err = x.of.pins.pick(s, r)
	}
	return lease, err
}

// protocolUDP is UDP's number in the IP header, a part of the 5-tuple.
const protocolUDP = 17

// connect gives s a port to its endpoint.
func (x *shard) connect(s *session, to netip.AddrPort) bool {
	of := pair{addr: to}
	if from := s.service.From(s.client); from != nil {
		of.from = from(to.Addr())
	}
	if err := x.nat.lend(s, x.nat.remote(of), x.now); err != nil {
		x.drop(proxy.DropNoPort)
		x.warn("no port", s, err)
		x.release(s, lb.Neutral)
		return false
	}
	return true
}

// cut forgets the sessions of endpoints that are no place to stay.
func (x *shard) cut(doomed proxy.Doomed) {
	x.look()
	for _, s := range x.flows {
		if s.lease.Endpoint == nil {
			continue
		}
		if cause, ok := doomed[proxy.PlaceOf(s.lease.Endpoint)]; ok {
			s.service.Stats.Cuts[cause].Add(1)
			x.end(s, cause.String())
		}
	}
}

// answered notes that the endpoint is there.
func (x *shard) answered(s *session) {
	s.answered, s.refused, s.cause = true, nil, ""
	if s.first == 0 {
		s.first = x.now
	}
	s.service.Stats.Attempts[proxy.AttemptOK].Add(1)
}

// release takes s off its endpoint, and out says whose fault that is.
func (x *shard) release(s *session, out lb.Outcome) {
	if s.lease.Endpoint == nil {
		return
	}
	s.lease.Done(out)
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

// failed is told what became of a datagram to a remote, some time after it was
// sent. Where nobody listens the session tries another endpoint with its client's
// next datagram.
func (x *shard) failed(p *port, to netip.AddrPort, errno syscall.Errno) {
	s := p.session(to)
	switch errno {
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		x.drop(proxy.DropRefused)
		if s != nil {
			x.refused(s, causeOf(errno), errno)
		}
	case syscall.EMSGSIZE:
		x.drop(proxy.DropTooBig)
	default:
		x.drop(proxy.DropSendFailed)
	}
}

// refused takes s off an endpoint that could not be reached.
func (x *shard) refused(s *session, cause string, err error) {
	x.warn("connect failed", s, err)
	s.service.Stats.Attempts[proxy.AttemptConnectFailure].Add(1)
	s.refused = append(s.refused, s.lease.Endpoint)
	s.cause = cause
	x.release(s, lb.Failure)
}

func causeOf(errno syscall.Errno) string {
	if errno == syscall.ECONNREFUSED {
		return causeRefused
	}
	return causeUnroutable
}

// end forgets a session. cause is why, if it is not for its silence.
func (x *shard) end(s *session, cause string) {
	if cause == "" {
		cause = s.cause
	}
	x.release(s, s.outcome())
	x.of.pins.leave(s)
	if access := x.of.opt.Access; access != nil {
		access.Write(s.record(x, x.now, cause))
	}
	s.unlink()
	delete(x.flows, s.flow)
	x.of.active.Add(-1)
}

// Causes that the access log shows: error types of RFC 9209 §2.3 where one fits.
const (
	causeNobody     = "destination_unavailable"
	causeRefused    = "connection_refused"
	causeUnroutable = "destination_ip_unroutable"
	causeDNS        = "dns_error"
	causeAborted    = "aborted"
)

// expire ends the sessions that nothing was heard of for too long, and closes
// ports that are not needed any more. It returns when to call it again, 0: not
// before there is a session.
func (x *shard) expire() time.Duration {
	x.look()
	idle := x.of.idle()
	for s := x.sessions.oldest(); s != nil && x.now-s.last >= int64(idle); s = x.sessions.oldest() {
		x.end(s, "")
	}
	x.nat.sweep(x.now)
	x.forgetNames()
	if len(x.flows) == 0 && len(x.nat.ports) == 0 {
		return 0
	}
	return min(max(idle/8, minTick), maxTick)
}

const (
	minTick = 10 * time.Millisecond
	maxTick = time.Second
)

// stop ends everything.
func (x *shard) stop(cause string) {
	if x.ending {
		return
	}
	x.ending = true
	x.look()
	for s := x.sessions.oldest(); s != nil; s = x.sessions.oldest() {
		x.end(s, cause)
	}
	x.nat.closeAll()
	x.wire.close()
}

// abort ends every session, and the shard goes on.
func (x *shard) abort() {
	x.look()
	for s := x.sessions.oldest(); s != nil; s = x.sessions.oldest() {
		x.end(s, causeAborted)
	}
}

func (x *shard) drop(why proxy.UDPDrop) { x.of.drops[why].Add(1) }

func (x *shard) warn(msg string, s *session, err error) {
	if !x.of.log.Enabled(slog.LevelWarn) {
		return
	}
	attrs := []slog.Attr{slog.String("service", s.service.Name), slog.Any("client", s.client), slog.Any("error", err)}
	if e := s.lease.Endpoint; e != nil {
		attrs = append(attrs, slog.String("endpoint", e.ID))
	}
	x.of.log.Write(slog.LevelWarn, msg, attrs...)
}
