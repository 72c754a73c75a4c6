package tcp

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/hello"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

const (
	// protocolTCP is TCP's number in the IP header, a part of the 5-tuple.
	protocolTCP = 6
	// slowAttempts bounds the whole search for an endpoint, in units of the
	// service's connect timeout: refusals are quick and everybody is asked, but
	// a client is not kept for a minute by ten endpoints that say nothing.
	slowAttempts = 3
	// askClient is how often we look whether a client still waits for a slow dial.
	askClient = 100 * time.Millisecond
)

// Causes that the access log shows besides those of a relay and of a dial: error types of
// RFC 9209 §2.3 where one fits.
const (
	causeNobody   relay.Cause = "destination_unavailable"
	causeFull     relay.Cause = "connection_limit_reached"
	causeAborted  relay.Cause = "aborted"
	causePanic    relay.Cause = "proxy_internal_error"
	causeUnrouted relay.Cause = "destination_not_found"
	causeSlow     relay.Cause = "connection_read_timeout"

	// causeInLine is no cause: everybody who could be asked is taken, and the session
	// may wait for one.
	causeInLine relay.Cause = "in line"
)

// A session is one client's connection and the endpoint's connection that it is
// relayed to, as far as it is the same however the bytes are moved: the search
// for an endpoint, and the account of it.
type session struct {
	engine   *Engine
	settings *Settings
	service  *proxy.Service // nil: none yet
	asked    *hello.Reader  // who reads early while the client is asked for a name; else nil
	early    []byte         // what the client has said before its endpoint was known
	record   proxy.Record
	request  lb.Request
	lease    lb.Lease    // of the endpoint that is tried, or was connected
	leased   bool        // the lease has not ended
	sought   time.Time   // when the search for an endpoint began
	tried    time.Time   // when the try began
	vain     relay.Cause // why the search has found nobody so far
	joined   bool        // service.Sessions knows of the connection
}

func (s *session) begin(e *Engine, client netip.AddrPort, now time.Time) {
	s.engine, s.settings, s.vain = e, e.settings.Load(), causeNobody
	s.record = proxy.Record{Time: now, Listener: e.listener, Protocol: "TCP", Client: client}
	s.use(s.settings.Service)
}

// use makes it a session of this service.
func (s *session) use(service *proxy.Service) {
	s.service = service
	if service != nil {
		s.record.Service = service.Name
	}
}

// key makes the affinity key. dialed is asked for the address that the client
// has dialed. Without affinity the key is the 5-tuple, which only hash policies
// look at (spec.md §5.1).
func (s *session) key(dialed func() netip.AddrPort) {
	if s.service == nil {
		return
	}
	rule := &s.service.Affinity
	keyed := s.record.Client.IsValid()
	switch {
	case rule.Kind == affinity.None:
		keyed = keyed && s.service.Hashes
	case keyed:
		s.service.Stats.AffinityHit.Add(1)
	default:
		s.service.Stats.AffinityMiss.Add(1)
	}
	if keyed {
		s.request.Keyed = true
		s.request.Key = rule.FlowKey(affinity.Flow{
			Src: s.record.Client, Dst: dialed(), Proto: protocolTCP,
		})
	}
	s.service.Stats.CountFlow(s.request.Key, s.request.Keyed, s.record.Client.Addr)
}

// destination notes whom the client has dialed, if the policy asks for it. original
// is asked for that address.
func (s *session) destination(original func() netip.AddrPort) {
	if s.service != nil && s.service.OriginalDestination {
		s.request.Destination = original()
	}
}

// next leases the endpoint to try next, each at most once. Where there is none
// the session is refused, for the reason returned, or is to wait, if that is
// causeInLine.
func (s *session) next(ctx context.Context, now time.Time) (refused relay.Cause) {
	if s.record.Attempts == 0 {
		s.sought = now
	}
	if s.service == nil {
		return s.refuse(nil)
	}
	s.stick(now)
	lease, err := s.service.Balancer.Pick(ctx, s.request)
	if lb.CanWait(err) {
		return causeInLine
	}
	return s.got(lease, err, now)
}

// got goes on with what a search has come to: a lease, or a refusal, for the reason
// returned.
func (s *session) got(lease lb.Lease, err error, now time.Time) (refused relay.Cause) {
	if errors.Is(err, lb.ErrSaturated) {
		s.vain = causeFull
		if limit := lb.LimitOf(err); limit != lb.EndpointsAtMax {
			s.vain = relay.Cause(limit.String())
		}
		s.service.Stats.Overflows.Count(err)
	}
	if err != nil {
		return s.refuse(err)
	}
	s.lease, s.leased, s.tried = lease, true, now
	s.record.Endpoint = lease.Endpoint.ID
	s.record.Attempts++
	return ""
}

// waited notes how long the session has been in line. That is no part of the search.
func (s *session) waited(since, now time.Time) {
	took := now.Sub(since)
	s.record.Queued += took
	s.sought = s.sought.Add(took)
	s.service.Stats.QueueWait.Observe(took)
}

// stick asks for the endpoint that the client's other connections are on, while that
// takes new ones.
func (s *session) stick(now time.Time) {
	if s.service.Sessions == nil || !s.request.Keyed {
		return
	}
	s.request.Sticky = s.service.Sessions.Endpoint(s.request.Key, now)
	if !s.service.Balancer.Snapshot().Takes(s.request.Sticky) {
		s.request.Sticky = ""
	}
}

// connected notes that the endpoint has accepted.
func (s *session) connected(now time.Time) {
	s.record.Connect = now.Sub(s.tried)
	// A loop's clock may not have moved meanwhile: that is near, not unknown.
	s.service.Balancer.Connected(s.lease.Endpoint.ID, max(s.record.Connect, 1))
	s.lease.Endpoint.Load.Connected() // the lease may last for hours
	s.service.Stats.Attempts[proxy.AttemptOK].Add(1)
	if s.service.Sessions != nil && s.request.Keyed {
		s.service.Sessions.Join(s.request.Key, s.lease.Endpoint.ID)
		s.joined = true
	}
}

// failed notes that the endpoint did not accept. If the client has waited too
// long for others to be tried, the session is refused, for the reason returned.
func (s *session) failed(err error, now time.Time) (refused relay.Cause) {
	s.record.Connect = now.Sub(s.tried)
	cause := secure.DialCause(err)
	s.release(connectOutcome(cause), cause)
	s.vain = relay.Cause(cause)
	s.service.Stats.Attempts[proxy.AttemptConnectFailure].Add(1)
	s.engine.log.Write(slog.LevelWarn, "connect failed",
		slog.String("service", s.service.Name),
		slog.String("endpoint", s.lease.Endpoint.ID),
		slog.Any("client", s.record.Client),
		slog.String("cause", string(s.vain)),
		slog.Any("error", err))
	s.request.Avoid = append(s.request.Avoid, s.lease.Endpoint)
	if t := s.service.ConnectTimeout; t > 0 && now.Sub(s.sought) >= slowAttempts*t {
		return s.refuse(err)
	}
	return ""
}

// abandoned notes that nobody waits for the endpoint any more, if one is tried.
func (s *session) abandoned() {
	if s.leased {
		s.release(lb.Neutral, "")
		s.service.Stats.Attempts[proxy.AttemptClientGone].Add(1)
	}
}

// release ends the lease, once. reason says what a failure was.
func (s *session) release(o lb.Outcome, reason string) {
	if s.leased {
		s.leased = false
		s.lease.DoneFor(o, reason)
	}
}

// logPanic says that the session ends because of a panic.
func (s *session) logPanic(value any, stack []byte) {
	defer func() { _ = recover() }() // the log panics, too: whoever calls has a connection to end
	s.engine.log.Write(slog.LevelError, "panic: connection closed",
		slog.Any("panic", value), slog.String("stack", string(stack)))
}

// refuse notes that no endpoint was found. The client is to be reset (spec.md §3.8).
func (s *session) refuse(err error) relay.Cause {
	s.engine.counters.Refused.Add(1)
	s.engine.log.Write(slog.LevelWarn, "no endpoint",
		slog.String("service", s.record.Service),
		slog.Any("client", s.record.Client),
		slog.Int("attempts", s.record.Attempts),
		slog.String("cause", string(s.vain)),
		slog.Any("error", err))
	return s.vain
}

// relayOptions are those of the session's relay, which takes over what the client
// has said. Before it go the addresses, if the service says so, unless they went
// before TLS; dialed is asked for the one that the client has dialed.
func (s *session) relayOptions(dialed func() netip.AddrPort) relay.Options {
	early := s.early
	s.early = nil
	if s.service.TLS == nil {
		if header := s.header(dialed); len(header) > 0 {
			early = append(header, early...)
		}
	}
	return relay.Options{
		Idle:         s.service.Timeout,
		Early:        [2][]byte{proxy.FromClient: early},
		ResetIdle:    s.service.ResetIdle,
		Stats:        s.service.Stats,
		IdleTimeouts: &s.engine.counters.IdleTimeouts,
		NoteFirst:    s.engine.access != nil,
	}
}

// header is what the endpoint is sent first: the addresses, or nothing.
func (s *session) header(dialed func() netip.AddrPort) []byte {
	p := s.service.ProxyProtocol
	if p == proxy.NoProxyProtocol {
		return nil
	}
	return p.AppendHeader(nil, s.record.Client, dialed())
}

// connectOutcome says whose fault it was that an endpoint was not connected.
func connectOutcome(cause string) lb.Outcome {
	if cause == secure.OutOfResources {
		return lb.Neutral
	}
	return lb.ConnectFailure
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

// doomed says for which cause the session is to be cut, if it is connected to one
// of those endpoints.
func (s *session) doomed(those proxy.Doomed) relay.Cause {
	return relay.Cause(those[proxy.PlaceOf(s.lease.Endpoint)].String())
}

// account counts how a session has ended, and writes the access log's line. first
// is when the endpoint's first byte came, if any did.
func (s *session) account(cause relay.Cause, in, out int64, first, now time.Time) {
	if s.service != nil {
		s.service.Stats.CountCut(string(cause))
	}
	if s.joined {
		s.service.Sessions.Leave(s.request.Key, now, s.service.Tracking.IdleTimeout)
	}
	if s.engine.access == nil {
		return
	}
	r := &s.record
	r.Cause = string(cause)
	r.Total = now.Sub(r.Time)
	r.BytesIn, r.BytesOut = in, out
	if !first.IsZero() {
		r.First = first.Sub(r.Time)
	}
	s.engine.access.Write(r)
}
