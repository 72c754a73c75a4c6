package simulate

import (
	"net/netip"

	"github.com/spillway-lb/spillway/affinity"
)

// Clients gives clients the keys that a proxy would give them.
type Clients struct {
	// Rule is the service's, Hashes whether its policy goes by keys.
	Rule   affinity.Rule
	Hashes bool
	// Listen says where the service's listeners listen, by name: some keys are
	// made of the address that a client has dialed.
	Listen map[string]netip.AddrPort
	// Protocol is IP's number: 6 for TCP, which is the default, 17 for UDP.
	Protocol uint8
}

// Exact reports whether keys are those that a proxy would make, given a client's
// address. A header or a cookie is in no access log: there everybody with an
// address of his own is taken for a user.
func (c *Clients) Exact() bool { return !c.Rule.Kind.NeedsHTTP() }

// Keyed reports whether requests have keys at all.
func (c *Clients) Keyed() bool { return c.Hashes || c.Rule.Kind != affinity.None }

// Key is that of a client of this address, which came by this listener.
func (c *Clients) Key(listener string, client netip.AddrPort) (key uint64, keyed bool) {
	switch {
	case !c.Keyed() || !client.IsValid():
		return 0, false
	case c.Rule.Kind.NeedsHTTP():
		text, _ := client.Addr().MarshalText() // never fails
		return c.Rule.ValueKey(text), true
	}
	proto := c.Protocol
	if proto == 0 {
		proto = 6
	}
	return c.Rule.FlowKey(affinity.Flow{Src: client, Dst: c.Listen[listener], Proto: proto}), true
}

// Keys are those of n clients, each with an address of its own, who came by this
// listener; nil where requests have no keys.
func (c *Clients) Keys(n int, listener string) []uint64 {
	if !c.Keyed() {
		return nil
	}
	keys := make([]uint64, n)
	for i := range keys {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		keys[i], _ = c.Key(listener, netip.AddrPortFrom(addr, uint16(1024+i%64000)))
	}
	return keys
}
