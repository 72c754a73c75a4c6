package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// limitsOf are the circuit breakers that the balancer sees to.
func limitsOf(s *config.Service) *lb.CircuitBreakers {
	b := s.CircuitBreakers
	if b == nil {
		return nil
	}
	return &lb.CircuitBreakers{
		MaxConnections:     int64(b.MaxConnections),
		MaxRequests:        int64(b.MaxRequests),
		MaxPendingRequests: int64(b.MaxPendingRequests),
		PendingTimeout:     time.Duration(b.PendingTimeout),
	}
}

// breakersOf are those that the engines see to.
func breakersOf(s *config.Service) proxy.CircuitBreakers {
	b := s.CircuitBreakers
	if b == nil || !s.IsHTTP() {
		return proxy.CircuitBreakers{}
	}
	return proxy.CircuitBreakers{
		MaxRequestsPerConnection: b.MaxRequestsPerConnection,
		MaxRetries:               int64(b.MaxRetries),
	}
}
