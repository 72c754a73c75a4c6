package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Bounds of the time after which a name is asked for again, whatever its records
// say.
const (
	DefaultMinTTL = time.Second
	DefaultMaxTTL = 5 * time.Minute
)

// Query says whom sources of DNS ask, and how often.
type Query struct {
	// Resolvers are name servers, "IP" or "IP:port", asked in this order until one
	// answers. Names are complete then, and the hosts file is not read. Default:
	// the system's, with its search list.
	Resolvers []string
	// MinTTL and MaxTTL are bounds of the time after which the answer is asked for
	// again. Defaults: DefaultMinTTL, DefaultMaxTTL.
	MinTTL, MaxTTL time.Duration
}

func (q *Query) client() client {
	servers := make([]string, len(q.Resolvers))
	for i, s := range q.Resolvers {
		servers[i] = withPort53(s)
	}
	return client{servers}
}

func withPort53(server string) string {
	if addr, err := netip.ParseAddr(strings.Trim(server, "[]")); err == nil {
		return net.JoinHostPort(addr.String(), "53")
	}
	return server
}

func (q *Query) within(ttl time.Duration) time.Duration {
	least, most := q.MinTTL, q.MaxTTL
	if least == 0 {
		least = DefaultMinTTL
	}
	if most == 0 {
		most = DefaultMaxTTL
	}
	return min(max(ttl, least), max(most, least))
}

// DNS returns the source of a name's A and AAAA records: an endpoint for each
// address, all with the port; with port "" they have none. A name may be an IP
// address.
func DNS(host, port string, q Query) Source {
	return &dnsSource{host: host, port: port, query: q, lookup: lookup{client: q.client(), host: host}}
}

type dnsSource struct {
	host, port string
	query      Query
	lookup     lookup
}

func (s *dnsSource) String() string { return "dns " + s.host }

func (s *dnsSource) Look(ctx context.Context) (Answer, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	addrs, ttl, err := s.lookup.addresses(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("discovery: %w", err)
	}
	a := Answer{TTL: s.query.within(ttl), Warning: s.lookup.warning, Endpoints: make([]Endpoint, len(addrs))}
	for i, addr := range addrs {
		a.Endpoints[i] = Endpoint{Addr: join(addr, s.port), Weight: 1}
	}
	return a, nil
}

// lookTimeout bounds all questions of one look: an answer may lead to hundreds, and
// each of them to a server that is silent.
const lookTimeout = 15 * time.Second

var errLookTimeout = fmt.Errorf("no answer within %v", lookTimeout)

func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, lookTimeout, errLookTimeout)
}

func join(addr netip.Addr, port string) string {
	if port == "" {
		return addr.String()
	}
	return net.JoinHostPort(addr.String(), port)
}
