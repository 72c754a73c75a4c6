package proxy

import (
	"net/netip"
	"testing"
)

func TestEndpointsAreToldOfTheClientIfTheServiceSaysSo(t *testing.T) {
	client, dialed := netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("198.51.100.2:443")
	for p, want := range map[ProxyProtocol]string{
		NoProxyProtocol: "",
		ProxyProtocolV1: "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n",
		ProxyProtocolV2: "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x13\x88\x01\xbb",
	} {
		if got := string(p.AppendHeader(nil, client, dialed)); got != want {
			t.Errorf("%d: %q, want %q", p, got, want)
		}
	}
}
