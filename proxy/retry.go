package proxy

import (
	"fmt"
	"time"
)

// A Retry says which failed tries of a request are made again on another
// endpoint, and how often (spec.md §7.3). A request that an endpoint may have
// seen is sent again only if it is idempotent, whatever On says.
type Retry struct {
	// On is what is tried again.
	On RetryOn
	// Most is how many endpoints may be tried after the first. With 0 nothing is
	// sent twice.
	Most int
	// PerTryTimeout bounds one try, from connecting to the head of the response;
	// 0: only Route.Timeout does.
	PerTryTimeout time.Duration
}

// RetryOn is a set of conditions for a retry.
type RetryOn uint8

// The conditions that HTTP/1.1 has. Those without a response of the endpoint
// count as the 502 or 504 that the client would get.
const (
	RetryConnectFailure RetryOn = 1 << iota // there was no connection
	RetryRefusedStream                      // the connection ended before anything was sent
	RetryGatewayError                       // 502, 503, 504
	Retry5xx                                // any 5xx
	RetryRetriable4xx                       // 409
)

var retryConditions = map[string]RetryOn{
	"connect-failure": RetryConnectFailure,
	"refused-stream":  RetryRefusedStream,
	"gateway-error":   RetryGatewayError,
	"5xx":             Retry5xx,
	"retriable-4xx":   RetryRetriable4xx,
}

// ParseRetryOn returns the set of conditions with these names.
func ParseRetryOn(names []string) (on RetryOn, err error) {
	for _, name := range names {
		condition, ok := retryConditions[name]
		if !ok {
			return 0, fmt.Errorf("proxy: no retry condition %q", name)
		}
		on |= condition
	}
	return on, nil
}

// The retry budget (spec.md §10.3): of a service's active requests at most one
// in retryShare may be a retry, but leastRetries always may. So an outage is
// never answered with a multiple of the traffic that met it. A service with circuit
// breakers has MaxRetries in its place: one rule or the other, never both.
const (
	retryShare   = 5
	leastRetries = 3
)

// TakeRetry takes a place for a retry in the service's budget, which EndRetry
// gives back, and reports whether there was one. Where not, it is counted. It
// locks nothing and may be called from any goroutine; of those who ask at once
// no more get a place than there are.
func (s *Service) TakeRetry() bool {
	underWay := &s.Stats.retrying
	for {
		n := underWay.Load()
		if !s.hasRoomForRetry(n) {
			s.Stats.RetriesOverBudget.Add(1)
			return false
		}
		if underWay.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// hasRoomForRetry reports whether there may be one more retry beside n.
func (s *Service) hasRoomForRetry(n int64) bool {
	if most := s.CircuitBreakers.MaxRetries; most > 0 {
		return n < most
	}
	return n < leastRetries || n < s.active()/retryShare
}

// CountsRetries reports whether retries need a place, see TakeRetry. Services without
// a Retry of their own have no budget: what nobody has processed costs them nothing.
// A limit of retries counts all of them.
func (s *Service) CountsRetries() bool { return s.Retry != nil || s.CircuitBreakers.MaxRetries > 0 }

// EndRetry gives back what TakeRetry took. Call it exactly once.
func (s *Service) EndRetry() { s.Stats.retrying.Add(-1) }

// active is how many requests the service has now. Only retries ask, so it is
// summed up then, and costs other requests nothing.
func (s *Service) active() (n int64) {
	for _, c := range s.Balancer.Snapshot().Candidates {
		n += c.Load.Active()
	}
	return n
}
