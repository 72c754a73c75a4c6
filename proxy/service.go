package proxy

import (
	"net"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
)

// A Service is one service of the file as the engines see it. It never
// changes: a reload makes a new value that shares the live parts (Balancer,
// Stats) with the old one, so exchanges under way keep the settings they began
// with and nobody loses a count or a connection.
type Service struct {
	Name     string
	Balancer *lb.Balancer
	Stats    *Stats
	// Affinity says what a request's key is made of (spec.md §5).
	Affinity affinity.Rule
	// Hashes says that the policy looks at keys. Where it does not, nobody
	// computes the 5-tuple's.
	Hashes bool
	// OriginalDestination says that the policy wants to know whom the client has
	// dialed.
	OriginalDestination bool
	// Source makes connections to endpoints come from the client's own address. nil:
	// they come from the proxy's. Not for HTTP, whose clients share them.
	Source *ClientSource
	// Timeout is, for HTTP, the time from sending a request to the last byte of
	// its response, retries included; for TCP and after an HTTP upgrade, how
	// long a connection may be without a byte in either direction (spec.md
	// §7.1). 0 means no limit.
	Timeout time.Duration
	// ResetIdle says that a TCP connection which Timeout ends gets a reset on both
	// sides; else it is closed in good order.
	ResetIdle bool
	// ConnectTimeout bounds one attempt to connect to an endpoint.
	ConnectTimeout time.Duration
	// KeepaliveTimeout is how long an idle connection to an endpoint is kept.
	KeepaliveTimeout time.Duration
	// Tracking says what becomes of connections when something befalls their
	// endpoint.
	Tracking Tracking
	// Sessions keeps all connections of a client together, for Tracking.IdleTimeout
	// after the last of them (PER_SESSION). TCP only; nil: each is for itself.
	Sessions *Sessions
	// TLS secures the connections to endpoints. nil: they are plain. Engines with
	// event loops cannot: a service with TLS is for those without.
	TLS *EndpointTLS
	// Retry is for HTTP. nil: only connections that were not made, or ended before
	// anything was sent, are tried again, on up to three more endpoints and
	// without a budget.
	Retry *Retry
	// CircuitBreakers are those that engines see to. The zero value has none.
	CircuitBreakers CircuitBreakers
	// LoadReports is for HTTP. nil: reports are fields like any other, and pass.
	LoadReports *LoadReports
	// ProxyProtocol is for TCP: what endpoints are sent first.
	ProxyProtocol ProxyProtocol
}

// An Engine turns accepted connections into traffic on endpoints: one for HTTP,
// one for TCP.
type Engine interface {
	// ServeConn serves one accepted connection and returns when it is closed.
	// It owns conn. It is called on a goroutine of its own.
	ServeConn(conn net.Conn)
	// Drain tells every connection, present and future, to end as soon as its
	// current work allows: HTTP connections after their response, idle ones at
	// once, TCP connections when their peers are done. It does not wait.
	Drain()
	// Abort closes every connection at once. It does not wait: ServeConn
	// returns soon after.
	Abort()
}
