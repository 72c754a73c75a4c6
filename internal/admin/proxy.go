package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"
)

// A ProxyStatus is the proxy as a whole, and what its machine says of it, as
// GET /api/v1/proxy shows it. What the machine does not say is not there.
type ProxyStatus struct {
	ID      string    `json:"id"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Draining: it has been told to stop.
	Draining bool `json:"draining"`
	// Config is the fingerprint of the configuration in force, and Loaded when that
	// was put in force.
	Config string    `json:"config"`
	Loaded time.Time `json:"loaded"`
	// Addresses are those of the machine's interfaces.
	Addresses   []string          `json:"addresses,omitempty"`
	Descriptors *DescriptorStatus `json:"descriptors,omitempty"`
	Ports       *PortStatus       `json:"ports,omitempty"`
	// QueueOverflows counts connections that no listening socket of the machine had
	// room for, since it started; QueueMax is how many may wait on one.
	QueueOverflows *uint64          `json:"queue_overflows,omitempty"`
	QueueMax       int              `json:"queue_max,omitempty"`
	Listeners      []ListenerStatus `json:"listeners"`
}

// DescriptorStatus is how many descriptors the process has open, and may have.
type DescriptorStatus struct {
	Open  uint64 `json:"open"`
	Limit uint64 `json:"limit"`
}

// PortStatus says how many ephemeral ports connections to endpoints take.
type PortStatus struct {
	// Low and High are the first and the last of the range.
	Low  int `json:"low"`
	High int `json:"high"`
	// Towards are the addresses of endpoints with connections, from any process of
	// the machine, those in TIME_WAIT included; the most used come first.
	Towards []PortUse `json:"towards,omitempty"`
}

// PortUse is how many ports one local address uses towards one address.
type PortUse struct {
	From string `json:"from"`
	To   string `json:"to"`
	Used int    `json:"used"`
}

// A ListenerStatus is one listener.
type ListenerStatus struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	// Services are those that its routes lead to.
	Services    []string `json:"services,omitempty"`
	Connections int64    `json:"connections"`
	// MaxConnections is 0 where there is no limit.
	MaxConnections int `json:"max_connections"`
	// Waiting is how many connections wait to be accepted.
	Waiting int `json:"waiting"`
	// Drops counts datagrams that were not passed on, by reason. UDP only.
	Drops map[string]uint64 `json:"drops,omitempty"`
}

// A SpreadStatus says how a service's recent traffic is spread over client
// addresses or affinity keys.
type SpreadStatus struct {
	// Flows is how many requests, connections or sessions were looked at.
	Flows int `json:"flows"`
	// Effective is how many of equal traffic would be as concentrated as those that
	// there are: 1 ÷ Σp².
	Effective float64 `json:"effective"`
	// Top is the busiest client address, and TopShare the part that it, or the
	// busiest key, has of the traffic, from 0 to 1. Busiest are up to five.
	Top      string         `json:"top,omitempty"`
	TopShare float64        `json:"top_share"`
	Busiest  []SourceStatus `json:"busiest,omitempty"`
}

// A SourceStatus is one client address and its part of the traffic.
type SourceStatus struct {
	Address string  `json:"address"`
	Share   float64 `json:"share"`
}

// Proxy returns the proxy as a whole.
func (c *Client) Proxy(ctx context.Context) (ProxyStatus, error) {
	var p ProxyStatus
	err := c.call(ctx, http.MethodGet, "/api/v1/proxy", nil, &p)
	return p, err
}

func (s *Server) proxy(r *request) {
	if s.o.Proxy == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy does not tell of itself").send(r.RequestCtx)
		return
	}
	p := s.o.Proxy()
	if p.Listeners == nil {
		p.Listeners = []ListenerStatus{}
	}
	r.answer(p)
}
