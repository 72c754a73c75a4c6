package app

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/spillway-lb/spillway/affinity"
)

// An askedKey is the key of a request that was asked about.
type askedKey struct {
	key   uint64
	keyed bool
	of    string   // what it is made of, or why there is none
	notes []string // what should have been said

	session askedSession
}

// key makes the key that the engines would make: proxy/http/affinity.go,
// proxy/tcp/session.go and proxy/udp/place.go. Tests ask both.
func (x *asked) key() (k askedKey, err error) {
	rule, err := affinityOf(x.cfg, x.spec, x.ownKey())
	if err != nil {
		return k, err
	}
	if rule.Kind == affinity.StrongCookie {
		k.session = x.session(&rule)
	}
	switch {
	case rule.Kind == affinity.HeaderField:
		k.ofHeader(&rule, x.values(rule.Header))
	case rule.Kind.NeedsCookie():
		k.ofCookie(&rule, x.values("Cookie"))
	case !rule.Kind.NeedsHashing() && !hashes(x.spec):
		k.of = "the policy does not look at keys"
	default:
		x.flowKey(&k, &rule)
	}
	return k, nil
}

func (k *askedKey) ofHeader(rule *affinity.Rule, values [][]byte) {
	if len(values) == 0 {
		k.of = fmt.Sprintf("the request has no header %s", rule.Header)
		return
	}
	k.key, k.keyed = rule.ValueKey(values...), true
	k.of = fmt.Sprintf("the header %s", rule.Header)
}

func (k *askedKey) ofCookie(rule *affinity.Rule, lines [][]byte) {
	value, ok := affinity.CookieValue(lines, rule.CookieName())
	k.of = fmt.Sprintf("the cookie %s", rule.CookieName())
	if !ok {
		fresh := rule.NewCookieValue()
		value = fresh[:]
		k.of = fmt.Sprintf("a new cookie %s, since the request has none", rule.CookieName())
	}
	k.key, k.keyed = rule.ValueKey(value), true
}

// flowKey makes a key of addresses.
func (x *asked) flowKey(k *askedKey, rule *affinity.Rule) {
	peer := x.question.Client
	if !peer.IsValid() {
		k.of = "the client's address is not said"
		k.notes = append(k.notes, "the key is made of the client's address: say it with --client IP:PORT; without it, this is one of many")
		return
	}
	f := affinity.Flow{Src: peer, Dst: x.destination(k, rule, peer), Proto: x.protocol()}
	if x.spec.IsHTTP() && rule.Kind.NeedsHashing() {
		f.Src = x.client(peer)
	}
	k.key, k.keyed = rule.FlowKey(f), true
	switch rule.Kind {
	case affinity.ClientIPNoDestination:
		k.of = fmt.Sprintf("the client's address %v", f.Src.Addr())
	case affinity.ClientIP, affinity.ClientIPProto:
		k.of = fmt.Sprintf("the addresses %v to %v", f.Src.Addr(), f.Dst.Addr())
	default:
		k.of = fmt.Sprintf("the addresses and ports %v to %v", f.Src, f.Dst)
	}
}

func (x *asked) protocol() uint8 {
	if x.spec.Protocol == "UDP" {
		return 17
	}
	return 6
}

// client is whom a proxy that the listener trusts names in X-Forwarded-For.
func (x *asked) client(peer netip.AddrPort) netip.AddrPort {
	for i := range x.listeners {
		trusted, err := trustedProxies(&x.listeners[i])
		if err != nil {
			continue // config has checked it
		}
		if addr := affinity.Client(peer.Addr(), x.values("X-Forwarded-For"), trusted); addr != peer.Addr() {
			return netip.AddrPortFrom(addr, 0)
		}
	}
	return peer
}

// destination is the address that the client has connected to: what was said, else
// that of the first listener that has one.
func (x *asked) destination(k *askedKey, rule *affinity.Rule, peer netip.AddrPort) netip.AddrPort {
	said, listen := x.question.Destination, x.listenAddr()
	switch {
	case said.IsValid() && said.Port() > 0:
		return said
	case said.IsValid():
		return netip.AddrPortFrom(said.Addr(), listen.Port())
	case listen.IsValid() && !listen.Addr().IsUnspecified() || rule.Kind == affinity.ClientIPNoDestination:
		return listen
	}
	k.notes = append(k.notes, "the key is made of the address that clients connect to as well: say it with --destination IP:PORT; without it, this is a guess")
	return netip.AddrPortFrom(guessed(peer.Addr().Unmap()), listen.Port())
}

// listenAddr is where the first listener on an IP address listens.
func (x *asked) listenAddr() netip.AddrPort {
	for _, l := range x.listeners {
		host, service, err := net.SplitHostPort(l.Listen)
		if err != nil {
			continue // a Unix socket
		}
		port, _ := net.LookupPort("tcp", service)
		ip, err := netip.ParseAddr(host)
		if err != nil {
			ip = netip.IPv6Unspecified() // every address, or a name
		}
		return netip.AddrPortFrom(ip, uint16(port))
	}
	return netip.AddrPort{}
}

// guessed is where a client connects to of whom nothing else is known.
func guessed(peer netip.Addr) netip.Addr {
	switch {
	case peer.IsLoopback():
		return peer // it is on this machine
	case peer.Is4():
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// values are those of all header lines of this name.
func (x *asked) values(name string) (values [][]byte) {
	for _, h := range x.question.Headers {
		n, value, _ := strings.Cut(h, ":")
		if strings.EqualFold(strings.TrimSpace(n), name) {
			values = append(values, []byte(strings.Trim(value, " \t")))
		}
	}
	return values
}
