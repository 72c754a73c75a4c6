package udp

import (
	"log/slog"
	"net/netip"
	"os"
	"time"

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
	held     int // bytes that wait for addresses
	ending   bool
}

// A wire is what a shard's datagrams go through: an event loop, or goroutines.
type wire interface {
	// open opens a port that can send to an address of to's family.
	open(to *remote) (*port, error)
	// toEndpoint and toClient send a datagram, at the latest when flush is called;
	// b is to stay as it is until then. What cannot be sent to the endpoint is for
	// the shard's unsent.
	toEndpoint(s *session, b []byte)
	toClient(s *session, b []byte)
	flush()
	// enter has f called with the shard held, soon.
	enter(f func())
	// start begins to receive, wait waits until close has ended all of it, and
	// discard closes what was never started.
	start()
	wait()
	// file returns a duplicate of the listening socket; leave leaves what comes in
	// there to another process that has it. leave is called with the shard held.
	file() (*os.File, error)
	leave()
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
		if why, ok := x.place(s); !ok {
			x.drop(why)
			x.end(s, causeNobody)
			return
		}
	}
	x.sessions.touch(s, x.now)
	if s.port == nil {
		x.hold(s, b)
		return
	}
	x.pass(s, b)
}

// pass passes a datagram of a client on, and counts it.
func (x *shard) pass(s *session, b []byte) {
	x.send(s, b)
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

// send sends a datagram to s's endpoint.
func (x *shard) send(s *session, b []byte) {
	if s.fresh {
		s.fresh, s.first = false, imprintOf(b)
	}
	x.wire.toEndpoint(s, b)
}

// begin makes a session for a client that has none.
func (x *shard) begin(f flow) *session {
	service := x.of.service.Load()
	switch {
	case f.client == netip.AddrPortFrom(f.local, x.of.port):
		x.drop(proxy.DropStray) // forged: to answer would be to ask ourselves, without end
		return nil
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
	if why, ok := x.place(s); !ok {
		x.drop(why)
		x.of.pins.leave(s)
		x.of.active.Add(-1)
		return nil
	}
	x.flows[f] = s
	return s
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

// end forgets a session. cause is why, if it is not for its silence.
func (x *shard) end(s *session, cause string) {
	if cause == "" {
		cause = s.cause
	}
	x.lose(s)
	x.release(s, s.outcome(), "")
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
	idle, ended := x.of.idle(), 0
	for s := x.sessions.oldest(); s != nil && x.now-s.last >= int64(idle) && ended < maxEnded; s = x.sessions.oldest() {
		x.end(s, "")
		ended++
	}
	more := x.nat.sweep(x.now)
	x.forgetNames()
	switch {
	case more || ended == maxEnded:
		return minTick
	case len(x.flows) == 0 && len(x.nat.ports) == 0:
		return 0
	}
	return min(max(idle/8, minTick), maxTick)
}

const (
	minTick = 10 * time.Millisecond
	maxTick = time.Second
	// maxEnded is how many sessions end at once: a crowd that falls silent must not
	// hold up the others.
	maxEnded = 1000
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
