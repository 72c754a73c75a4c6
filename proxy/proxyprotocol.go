package proxy

import (
	"net/netip"

	"github.com/spillway-lb/spillway/proxy/internal/proxyproto"
)

// ProxyProtocol says which version of the PROXY protocol's header, if any, a
// service's endpoints get before a client's bytes. It tells them the client's
// address, which they could not know otherwise.
type ProxyProtocol uint8

// The values of ProxyProtocol.
const (
	NoProxyProtocol ProxyProtocol = iota
	ProxyProtocolV1               // a line of text
	ProxyProtocolV2               // binary
)

// AppendHeader appends the header for a client that has connected to dialed.
// Without a version that is nothing. A client without an address, such as a Unix
// socket's, gives a header that says so; where only one address is IPv4, it is
// sent in its IPv6 form.
func (p ProxyProtocol) AppendHeader(b []byte, client, dialed netip.AddrPort) []byte {
	switch p {
	case ProxyProtocolV1:
		return proxyproto.AppendV1(b, client, dialed)
	case ProxyProtocolV2:
		return proxyproto.AppendV2(b, client, dialed)
	}
	return b
}
