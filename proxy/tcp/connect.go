package tcp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
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

// connect finds an endpoint that accepts, each at most once. Where there is
// none it sets the session's cause and returns a nil connection.
func (s *session) connect() (lb.Lease, *netio.Conn) {
	if s.service == nil {
		s.refuse(causeNobody, nil)
		return lb.Lease{}, nil
	}
	stop := s.watchClient()
	defer stop()
	r := s.request()
	cause := causeNobody
	for {
		lease, err := s.service.Balancer.Pick(s.ctx, r)
		if err != nil {
			if errors.Is(err, lb.ErrSaturated) {
				cause = causeFull
			}
			s.refuse(cause, err)
			return lb.Lease{}, nil
		}
		conn, err := s.dial(lease.Endpoint)
		if err == nil {
			s.service.Stats.Attempts[proxy.AttemptOK].Add(1)
			return lease, conn
		}
		if s.client.Broken() {
			s.cut(relay.ClientGone)
		}
		if s.wasCut() { // nobody waits for it any more
			lease.Done(lb.Neutral)
			s.service.Stats.Attempts[proxy.AttemptClientGone].Add(1)
			return lb.Lease{}, nil
		}
		lease.Done(lb.Failure)
		cause = causeOf(err)
		s.failed(lease.Endpoint, err)
		r.Avoid = append(r.Avoid, lease.Endpoint)
		if t := s.service.ConnectTimeout; t > 0 && time.Since(s.record.Time) >= slowAttempts*t {
			s.refuse(cause, err)
			return lb.Lease{}, nil
		}
	}
}

// request makes the affinity key. Without affinity it is the 5-tuple, which
// only hash policies look at (spec.md §5.1).
func (s *session) request() lb.Request {
	rule := &s.service.Affinity
	keyed := s.record.Client.IsValid()
	if rule.Kind != affinity.None {
		if keyed {
			s.service.Stats.AffinityHit.Add(1)
		} else {
			s.service.Stats.AffinityMiss.Add(1)
		}
	}
	if !keyed {
		return lb.Request{}
	}
	return lb.Request{Keyed: true, Key: rule.FlowKey(affinity.Flow{
		Src: s.record.Client, Dst: addrPort(s.client.LocalAddr()), Proto: protocolTCP,
	})}
}

func (s *session) dial(e *balance.Endpoint) (*netio.Conn, error) {
	s.record.Endpoint = e.ID
	s.record.Attempts++
	start := time.Now()
	conn, err := netio.Dial(s.ctx, e.Addr, s.service.ConnectTimeout)
	s.record.Connect = time.Since(start)
	return conn, err
}

// failed counts and logs an endpoint that did not accept.
func (s *session) failed(e *balance.Endpoint, err error) {
	s.service.Stats.Attempts[proxy.AttemptConnectFailure].Add(1)
	s.engine.log.Write(slog.LevelWarn, "connect failed",
		slog.String("service", s.service.Name),
		slog.String("endpoint", e.ID),
		slog.Any("client", s.record.Client),
		slog.String("cause", string(causeOf(err))),
		slog.Any("error", err))
}

// refuse ends a session that found no endpoint. Its client is reset (spec.md §3.8).
func (s *session) refuse(cause relay.Cause, err error) {
	s.cut(cause)
	s.engine.counters.Refused.Add(1)
	s.engine.log.Write(slog.LevelWarn, "no endpoint",
		slog.String("service", s.record.Service),
		slog.Any("client", s.record.Client),
		slog.Int("attempts", s.record.Attempts),
		slog.String("cause", string(cause)),
		slog.Any("error", err))
}

// watchClient ends the session if the client resets its connection while the
// dial takes its time. A client that has only closed its sending side still
// waits for an answer.
func (s *session) watchClient() (stop func() bool) {
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

// causeOf names the failure of a dial.
func causeOf(err error) relay.Cause {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return causeDNS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return causeTimeout
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return causeUnroutable
	case errors.Is(err, syscall.ECONNREFUSED):
		return causeRefused
	default:
		return causeNobody
	}
}
