package udp

import (
	"context"
	"net/netip"
	"sync"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// pins keep all flows of a client on one endpoint (PER_SESSION, spec.md §9.2).
// The tracking entry is a pin, which lasts as long as any of its flows, and each
// flow is a session with a port of its own: so answers find the right client,
// although two share an entry.
type pins struct {
	mu sync.Mutex
	m  map[pinKey]*pin
}

// A pinKey is a client as the service's affinity sees it.
type pinKey struct {
	of       *lb.Balancer
	kind     affinity.Kind
	src, dst netip.Addr
}

type pin struct {
	key      pinKey
	endpoint string // ID
	flows    int
}

// pinned says what names a flow's client, if more than the flow does.
func pinned(s *proxy.Service, f flow) (pinKey, bool) {
	k := pinKey{of: s.Balancer, kind: s.Affinity.Kind, src: f.client.Addr(), dst: f.local}
	switch {
	case !s.Tracking.PerSession:
		return k, false
	case k.kind == affinity.ClientIP, k.kind == affinity.ClientIPProto: // the protocol is always ours
		return k, true
	case k.kind == affinity.ClientIPNoDestination:
		k.dst = netip.Addr{}
		return k, true
	}
	return k, false // the 5-tuple
}

// pick picks for s, on its pin's endpoint if there is one and it may be had, and
// notes what came of it. r.Sticky is to be empty.
func (p *pins) pick(s *session, r lb.Request) (lb.Lease, error) {
	key, ok := pinned(s.service, s.flow)
	if s.pin != nil && (!ok || s.pin.key != key) {
		p.leave(s)
	}
	if !ok {
		return s.service.Balancer.Pick(context.Background(), r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	entry := p.m[key]
	if entry != nil {
		r.Sticky = entry.endpoint
	}
	lease, err := s.service.Balancer.Pick(context.Background(), r)
	if err != nil {
		return lease, err
	}
	if entry == nil {
		entry = &pin{key: key}
		p.m[key] = entry
	}
	entry.endpoint = lease.Endpoint.ID
	if s.pin == nil {
		s.pin = entry
		entry.flows++
	}
	return lease, nil
}

// leave ends s's part in its pin.
func (p *pins) leave(s *session) {
	if s.pin == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.pin.flows--; s.pin.flows == 0 {
		delete(p.m, s.pin.key)
	}
	s.pin = nil
}
