package http

import (
	"net/netip"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
)

const protoTCP = 6

// affinity makes the request's key (spec.md §5.1). A client without the cookie
// that the service wants is given one, and its value is the key from the first
// request on.
func (x *exchange) affinity() lb.Request {
	rule := &x.svc.Affinity
	var key uint64
	switch rule.Kind {
	case affinity.None:
		return x.unbound(rule)
	case affinity.StrongCookie:
		return x.findSession(rule)
	case affinity.HeaderField:
		values := x.fields(rule.Header)
		if len(values) == 0 {
			x.svc.Stats.AffinityMiss.Add(1)
			return lb.Request{}
		}
		key = rule.ValueKey(values...)
	case affinity.HTTPCookie, affinity.GeneratedCookie:
		value, ok := affinity.CookieValue(x.fields("Cookie"), rule.CookieName())
		if !ok {
			x.cookie = rule.NewCookieValue()
			x.setIt = true
			x.svc.Stats.AffinityMiss.Add(1)
			return lb.Request{Key: rule.ValueKey(x.cookie[:]), Keyed: true}
		}
		key = rule.ValueKey(value)
	default:
		key = rule.FlowKey(affinity.Flow{Src: x.client(), Dst: x.local(), Proto: protoTCP})
	}
	x.svc.Stats.AffinityHit.Add(1)
	return lb.Request{Key: key, Keyed: true}
}

// unbound is for a request that nobody is remembered by: a policy that hashes gets
// the connection's 5-tuple.
func (x *exchange) unbound(rule *affinity.Rule) lb.Request {
	if !x.svc.Hashes {
		return lb.Request{}
	}
	key := rule.FlowKey(affinity.Flow{Src: x.c.peer(), Dst: x.local(), Proto: protoTCP})
	return lb.Request{Key: key, Keyed: true}
}

// client is who the request comes from: the peer, or whom a proxy that we trust
// names in X-Forwarded-For.
func (x *exchange) client() netip.AddrPort {
	if !x.trusted() {
		return x.c.peer()
	}
	peer := x.c.peer()
	addr := affinity.Client(peer.Addr(), x.fields("X-Forwarded-For"), x.set.TrustedProxies)
	if addr == peer.Addr() {
		return peer
	}
	return netip.AddrPortFrom(addr, 0)
}

func (x *exchange) clientAddr() netip.Addr { return x.client().Addr() }

// local is the address that the client has connected to.
func (x *exchange) local() netip.AddrPort { return x.c.driver.local(x.c.conn) }

// fields collects the values of all field lines of this name. They are valid
// until the next call.
func (x *exchange) fields(name string) [][]byte {
	x.values = x.values[:0]
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; len(f.Name) == len(name) && foldEqual(f.Name, name) {
			x.values = append(x.values, f.Value)
		}
	}
	return x.values
}

// foldEqual compares ASCII without regard to case; the lengths are equal.
func foldEqual(a []byte, b string) bool {
	for i := range a {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
			return false
		}
	}
	return true
}
