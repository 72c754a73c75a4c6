package balance

import "net/netip"

// OriginalDestination returns the policy ORIGINAL_DESTINATION: a client that was
// redirected to the proxy gets the endpoint that it has dialed, and nobody else
// (spec.md §4.8). [Request.Destination] has that address. The candidates are the
// addresses that clients may reach in this way; one whose Addr is no "ip:port" is
// never picked, and of two with one address the first by ID is.
//
// It is for a proxy that many addresses lead to, and that must not change which of
// them serves: shares say nothing here but whether somebody may be picked at all.
func OriginalDestination() Policy { return newOriginal }

type original map[netip.AddrPort]*Endpoint

func newOriginal(c []Candidate) Picker {
	p := make(original, len(c))
	for _, c := range pickable(c) {
		at, err := netip.ParseAddrPort(c.Addr)
		if err != nil {
			continue
		}
		if at = unmapped(at); p[at] == nil {
			p[at] = c.Endpoint
		}
	}
	return p
}

func (p original) Pick(r Request) *Endpoint {
	if r.Try > 0 {
		return nil // there is no other right one
	}
	return p[unmapped(r.Destination)]
}

func (original) Exact() {}

// unmapped gives an IPv4 address its one form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

var _ Exact = original(nil)
