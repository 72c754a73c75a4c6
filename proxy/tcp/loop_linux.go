package tcp

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// A loopSession is a session whose connections live on an event loop. It has no
// goroutine, and a task only while the name of an endpoint is being resolved: the
// loop tells it how its dial ends, and then tells its relay what there is to move.
type loopSession struct {
	session
	client, endpoint loop.Conn
	joint            *relay.Joint // nil while connecting
	home             *home
	at               int            // in home.sessions
	to               netip.AddrPort // see local; invalid: not asked
	dialing          bool
	resolving        bool        // a task dials
	waiter           *lb.Waiter  // in line for an endpoint; nil: it is not
	since            time.Time   // when it joined the line
	over             relay.Cause // why the task is to end
	giveUp           time.Time   // when the dial has taken too long; zero: never
	acceptor         *loop.Acceptor
}

// A home has the sessions of one engine on one loop, and is for that loop only.
type home struct{ sessions []*loopSession }

func (h *home) add(s *loopSession) {
	s.home, s.at = h, len(h.sessions)
	h.sessions = append(h.sessions, s)
}

func (h *home) remove(s *loopSession) {
	last := len(h.sessions) - 1
	h.sessions[s.at] = h.sessions[last]
	h.sessions[s.at].at = s.at
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
}

func (e *Engine) homeOn(l *loop.Loop) *home {
	h, ok := e.homes.Load(l)
	if !ok {
		h, _ = e.homes.LoadOrStore(l, new(home))
	}
	return h.(*home)
}

// ServeOn relays one client on a loop. It is called there, and owns fd.
func (e *Engine) ServeOn(a *loop.Acceptor, l *loop.Loop, fd int, from proxy.Arrival) {
	s := &loopSession{acceptor: a}
	s.begin(e, from.Peer, l.Now())
	s.to = from.Local
	l.Attach(&s.client, fd, (*loopClient)(s))
	home := e.homeOn(l) // first: an Abort after we have looked finds it
	if e.aborted.Load() {
		s.client.Abort()
		a.Done()
		return
	}
	e.active.Add(1)
	home.add(s)
	defer s.rescue()
	if s.ask() {
		s.listen()
	} else {
		s.search()
	}
}

// local is where the client has connected to.
func (s *loopSession) local() netip.AddrPort {
	if !s.to.IsValid() {
		s.to = s.client.Local()
	}
	return s.to
}

// original is where the client wanted to go before it was redirected to us.
func (s *loopSession) original() netip.AddrPort {
	if s.to.IsValid() {
		return s.to // a proxy in front has told
	}
	return s.client.OriginalDestination()
}

// loopClient is what the loop tells of a client while its session connects: that
// it has gone.
type loopClient loopSession

func (c *loopClient) Ready() {
	s := (*loopSession)(c)
	defer s.rescue()
	switch {
	case s.client.Closed():
		s.cut(causeAborted) // the loop ends
	case s.client.Broken():
		s.cut(relay.ClientGone)
	case s.asked != nil:
		s.goOnListening()
	}
}

// loopEndpoint is what the loop tells of an endpoint that is being dialed.
type loopEndpoint loopSession

func (e *loopEndpoint) Ready() {
	s := (*loopSession)(e)
	defer s.rescue()
	switch {
	case !s.dialing:
	case s.endpoint.Closed():
		s.cut(causeAborted) // the loop ends
	case s.dialed():
		s.connect()
	}
}

// connect tries endpoints until one has accepted, or cannot say yet.
func (s *loopSession) connect() {
	for {
		switch refused := s.next(context.Background(), s.client.Loop().Now()); refused {
		case "":
		case causeInLine:
			s.await()
			return
		default:
			s.end(refused)
			return
		}
		if again := s.dial(); !again {
			return
		}
	}
}

// await puts the session in line for an endpoint.
func (s *loopSession) await() {
	l := s.client.Loop()
	w, err := s.service.Balancer.Enqueue(s.request, time.Time{}, func() { l.Post(s.admitted) })
	if err != nil {
		s.end(s.got(lb.Lease{}, err, l.Now()))
		return
	}
	s.waiter, s.since = w, l.Now()
	s.client.Watch()
}

// admitted goes on when the wait is over, unless the client has left the line.
func (s *loopSession) admitted() {
	defer s.rescue()
	if s.waiter == nil {
		return
	}
	lease, err := s.leaveLine()
	if refused := s.got(lease, err, s.client.Loop().Now()); refused != "" {
		s.end(refused)
		return
	}
	if s.dial() {
		s.connect()
	}
}

// leaveLine ends the wait, and returns what it came to.
func (s *loopSession) leaveLine() (lb.Lease, error) {
	w := s.waiter
	s.waiter = nil
	s.waited(s.since, s.client.Loop().Now())
	return w.Leave()
}

// dial begins to connect to the endpoint that is leased. It reports whether
// another one is to be tried now.
func (s *loopSession) dial() (again bool) {
	if s.service.TLS != nil {
		return s.tryAnother(errNoTLS)
	}
	l := s.client.Loop()
	err := l.DialNow(&s.endpoint, s.lease.Endpoint.Addr, (*loopEndpoint)(s), s.service.From(s.record.Client))
	switch {
	case err == loop.ErrName:
		s.resolving = true
		s.client.Watch()
		l.Go((*resolver)(s))
		return false
	case err != nil:
		return s.tryAnother(err)
	}
	s.dialing, s.giveUp = true, time.Time{}
	if t := s.service.ConnectTimeout; t > 0 {
		s.giveUp = l.Now().Add(t)
	}
	return s.dialed()
}

// errNoTLS keeps a service that was not meant for event loops from being sent
// plain text.
var errNoTLS = errors.New("tcp: endpoints that speak TLS cannot be reached from an event loop")

// dialed goes on with what is known of the dial. It reports whether another
// endpoint is to be tried now.
func (s *loopSession) dialed() (again bool) {
	now := s.client.Loop().Now()
	ok, err := s.endpoint.Connected()
	switch {
	case ok:
		s.dialing = false
		s.join()
		return false
	case err == nil && !s.giveUp.IsZero() && !now.Before(s.giveUp):
		err = os.ErrDeadlineExceeded
	case err == nil:
		s.wait(now)
		return false
	}
	s.dialing = false
	_ = s.endpoint.Close()
	return s.tryAnother(err)
}

// wait waits for the dial. When it takes its time we look whether the client
// still wants it; to have that told from the beginning would cost every session a
// system call.
func (s *loopSession) wait(now time.Time) {
	by := now.Add(askClient)
	if s.endpoint.Expired() {
		s.client.Watch()
		by = s.giveUp
	} else if !s.giveUp.IsZero() && s.giveUp.Before(by) {
		by = s.giveUp
	}
	s.endpoint.ReadBy(by)
}

// A resolver is the task that dials an endpoint with a name.
type resolver loopSession

func (r *resolver) Run() {
	s := (*loopSession)(r)
	err := s.client.Loop().DialFrom(&s.endpoint, s.lease.Endpoint.Addr, s.service.ConnectTimeout,
		(*loopEndpoint)(s), s.service.From(s.record.Client))
	s.resolving = false
	if s.over == "" && errors.Is(err, context.Canceled) {
		s.over = causeAborted // the loop ends
	}
	if err == nil && s.over == "" {
		s.join()
	} else if s.tryAnother(err) {
		s.connect()
	}
}

func (r *resolver) Panicked(value any, stack []byte) {
	r.resolving = false
	(*loopSession)(r).panicked(value, stack)
}

// tryAnother notes that the endpoint did not accept. It reports false if the
// session has ended with that.
func (s *loopSession) tryAnother(err error) bool {
	if s.over == "" && s.client.BrokenNow() {
		s.over = relay.ClientGone
	}
	if s.over != "" { // nobody waits for it any more
		s.abandoned()
		s.end(s.over)
		return false
	}
	if refused := s.failed(err, s.client.Loop().Now()); refused != "" {
		s.end(refused)
		return false
	}
	return true
}

// join relays between the two connections from here on.
func (s *loopSession) join() {
	s.connected(s.client.Loop().Now())
	if s.service.Timeout == 0 {
		s.endpoint.KeepAlive() // the client has it from the listener
	}
	s.joint = relay.Join(&s.client, &s.endpoint, s.relayOptions(s.local), s.relayed)
}

func (s *loopSession) relayed(cause relay.Cause) {
	s.release(outcome(cause), string(cause))
	s.leave(cause)
}

// cut ends the session because of cause.
func (s *loopSession) cut(cause relay.Cause) {
	switch {
	case s.joint != nil:
		s.joint.Cut(cause)
	case s.resolving:
		if s.over == "" {
			s.over = cause
		}
		s.endpoint.Interrupt()
	case s.waiter != nil:
		if lease, err := s.leaveLine(); err == nil {
			lease.Done(lb.Neutral)
		}
		s.end(cause)
	default:
		s.dialing = false
		s.abandoned()
		s.end(cause)
	}
}

// end ends a session that was not relayed, with a reset.
func (s *loopSession) end(cause relay.Cause) {
	s.client.Abort()
	s.endpoint.Abort()
	s.leave(cause)
}

// leave is a session's last word.
func (s *loopSession) leave(cause relay.Cause) {
	if s.home == nil {
		return
	}
	s.home.remove(s)
	s.home = nil
	defer s.acceptor.Done()
	defer s.engine.active.Add(-1)
	var first time.Time
	if s.joint != nil {
		first = s.joint.First()
	}
	s.account(cause, s.client.Received(), s.client.Sent(), first, s.client.Loop().Now())
}

// rescue keeps a panic in one session's handling from ending the others'. It is
// to be deferred.
func (s *loopSession) rescue() {
	if p := recover(); p != nil {
		s.panicked(p, debug.Stack())
	}
}

func (s *loopSession) panicked(value any, stack []byte) {
	s.cut(causePanic)
	s.logPanic(value, stack)
}

// abortLoops resets every connection that is on a loop.
func (e *Engine) abortLoops() {
	e.onLoops(func(h *home) {
		for _, s := range slices.Clone(h.sessions) {
			s.cut(causeAborted)
		}
	})
}

// cutOnLoops resets those that are connected to one of these endpoints.
func (e *Engine) cutOnLoops(doomed proxy.Doomed) {
	e.onLoops(func(h *home) {
		for _, s := range slices.Clone(h.sessions) {
			if s.joint == nil {
				continue // another sweep finds it
			}
			if cause := s.doomed(doomed); cause != "" {
				s.joint.Cut(cause)
			}
		}
	})
}

// onLoops calls f, there, with the sessions of each loop.
func (e *Engine) onLoops(f func(*home)) {
	e.homes.Range(func(l, h any) bool {
		l.(*loop.Loop).Post(func() { f(h.(*home)) })
		return true
	})
}

var _ proxy.LoopEngine = (*Engine)(nil)
