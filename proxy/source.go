package proxy

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
)

// A ClientSource makes connections to endpoints come from the client's own address
// (source = "CLIENT" in the file), where that can work at all: what an endpoint
// sends to the client must be routed to this machine, which takes it for the
// proxy's. docs/transparent.md has the lines that do so.
type ClientSource struct {
	// Service is the service's name, for the log.
	Service string
	// Stats counts the connections that came from the proxy's address all the same,
	// and Log says why they did.
	Stats *Stats
	Log   *LimitedLog

	endpoints atomic.Pointer[map[netip.Addr]bool]
}

// NewClientSource returns the source for a service with endpoints at these
// addresses, "host:port". Names are not looked up: of an endpoint that has one, only
// the address that is dialed is known.
func NewClientSource(service string, stats *Stats, log *LimitedLog, endpoints []string) *ClientSource {
	s := &ClientSource{Service: service, Stats: stats, Log: log}
	s.SetEndpoints(endpoints)
	return s
}

// SetEndpoints replaces the endpoints. It may be called at any time.
func (s *ClientSource) SetEndpoints(endpoints []string) {
	known := make(map[netip.Addr]bool, len(endpoints))
	for _, e := range endpoints {
		if at, err := netip.ParseAddrPort(e); err == nil {
			known[at.Addr().Unmap().WithZone("")] = true
		}
	}
	s.endpoints.Store(&known)
}

// SourceFallback says why an endpoint was dialed from the proxy's address instead of
// the client's.
type SourceFallback uint8

// The reasons.
const (
	// SourceHairpin: the client is an endpoint of the service itself. What it is
	// sent from its own address never leaves it, and the other endpoints answer
	// it directly instead of through the proxy (spec.md §11.2).
	SourceHairpin SourceFallback = iota
	// SourceUnroutable: the address of one of the two means nothing beyond a machine
	// or a link.
	SourceUnroutable
	// SourceFamily: one has an IPv4 address and the other an IPv6 address.
	SourceFamily
	// SourceNoAddress: the client has none. It came through a Unix socket.
	SourceNoAddress
	sourceFallbacks
)

// SourceFallbacks names the reasons as the metric's label does.
var SourceFallbacks = [sourceFallbacks]string{"hairpin", "unroutable", "family", "no_address"}

var sourceReasons = [sourceFallbacks]string{
	"the client is itself an endpoint of the service, whose answers would not come back through the proxy",
	"a loopback or link-local address is known to one machine or link only",
	"the client and the endpoint are of different address families",
	"the client has no IP address",
}

// From returns what says from which address endpoints are dialed for a client: from
// an invalid one if that is the proxy's own. It is nil if that is always so. It may be
// called on any goroutine.
func (s *Service) From(client netip.AddrPort) func(to netip.Addr) netip.Addr {
	if s.Source == nil {
		return nil
	}
	return func(to netip.Addr) netip.Addr { return s.Source.from(client.Addr(), to) }
}

func (s *ClientSource) from(client, to netip.Addr) netip.Addr {
	client = client.Unmap()
	why, kept := s.judge(client, to.Unmap())
	if kept {
		return client
	}
	s.Stats.SourceFallbacks[why].Add(1)
	s.Log.Write(slog.LevelWarn, "the client's address is not kept",
		slog.String("service", s.Service),
		slog.Any("client", client),
		slog.Any("endpoint", to),
		slog.String("cause", SourceFallbacks[why]),
		slog.String("reason", sourceReasons[why]))
	return netip.Addr{}
}

// judge says whether an endpoint can be dialed from the client's address, and if not
// why.
func (s *ClientSource) judge(client, to netip.Addr) (why SourceFallback, kept bool) {
	switch {
	case !client.IsValid():
		return SourceNoAddress, false
	case !client.IsGlobalUnicast() || !to.IsGlobalUnicast(): // private ones are called global
		return SourceUnroutable, false
	case client.Is4() != to.Is4():
		return SourceFamily, false
	case client == to.WithZone("") || (*s.endpoints.Load())[client]:
		return SourceHairpin, false
	}
	return 0, true
}
