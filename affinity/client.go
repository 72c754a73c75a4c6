package affinity

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// Client says who the client is: the peer of the connection or, if the peer is one of our own proxies, the
// right-most address of X-Forwarded-For that is not. What stands further left came from that client and may be a
// lie. forwarded holds the field's lines in the order of arrival; trusted the networks of our own proxies.
//
//	peer 10.0.0.2, trusted 10.0.0.0/8, X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.9
//	                                                    forged   client       trusted
//
// An entry that is no address ("unknown", an empty one, a name) ends the walk at the last good address: who wrote it
// is trusted, but whom it means cannot be known. If all are trusted it is the left-most. Entries may carry a port
// ("ip:port", "[ip]:port"). The result has no zone and is IPv4 where it was IPv4-mapped; it is the zero Addr only
// if peer is (a Unix socket has no address, so it is never trusted).
func Client(peer netip.Addr, forwarded [][]byte, trusted []netip.Prefix) netip.Addr {
	client := plain(peer)
	if !contains(trusted, client) {
		return client
	}
	for i := len(forwarded) - 1; i >= 0; i-- {
		line, more := forwarded[i], true
		for more {
			var entry []byte
			if at := bytes.LastIndexByte(line, ','); at >= 0 {
				entry, line = line[at+1:], line[:at]
			} else {
				entry, more = line, false
			}
			addr, ok := parseEntry(trimSpace(entry))
			if !ok {
				return client
			}
			client = addr
			if !contains(trusted, client) {
				return client
			}
		}
	}
	return client
}

// parseEntry reads one entry of X-Forwarded-For: an address, with or without a port.
func parseEntry(b []byte) (netip.Addr, bool) {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		if rest := b[end+1:]; len(rest) > 0 && (rest[0] != ':' || !isPort(rest[1:])) {
			return netip.Addr{}, false
		}
		addr, ok := parseAddr(b[1:end])
		return addr, ok && bytes.IndexByte(b[:end], ':') > 0 // brackets are for IPv6
	}
	if at := bytes.IndexByte(b, ':'); at >= 0 && bytes.LastIndexByte(b, ':') == at {
		if !isPort(b[at+1:]) {
			return netip.Addr{}, false
		}
		b = b[:at]
	}
	return parseAddr(b)
}

// parseAddr is netip.ParseAddr without the copy of b that a conversion to string would make for every request.
// Nothing keeps the string: an Addr holds numbers, its zone (the only text in it) is cut off before, and the
// error, which quotes it, is dropped here.
func parseAddr(b []byte) (netip.Addr, bool) {
	if at := bytes.IndexByte(b, '%'); at >= 0 {
		if at+1 == len(b) || bytes.IndexByte(b[:at], ':') < 0 {
			return netip.Addr{}, false // an empty zone, or one on IPv4
		}
		b = b[:at]
	}
	if len(b) == 0 || len(b) > maxAddr {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(unsafe.String(&b[0], len(b)))
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// maxAddr is the length of the longest text of an address, an IPv6 address that ends in dotted form.
const maxAddr = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// isPort accepts 0 to 65535 in at most five digits.
func isPort(b []byte) bool {
	if len(b) == 0 || len(b) > 5 {
		return false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// plain gives all spellings of one address one value.
func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

// contains reports whether one of the networks holds a, which is plain. A network may be written IPv4-mapped too.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(a) {
			return true
		}
	}
	return false
}
