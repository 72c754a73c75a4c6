package proxyproto_test

import (
	"fmt"
	"net/netip"

	"github.com/spillway-lb/spillway/proxy/internal/proxyproto"
)

func Example() {
	client, dialed := netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("198.51.100.2:443")
	stream := append(proxyproto.AppendV1(nil, client, dialed), "hello"...)
	fmt.Printf("%q\n", stream)

	_, err := proxyproto.Parse(stream[:20])
	fmt.Println(err)
	h, err := proxyproto.Parse(stream)
	fmt.Println(h.Source, "to", h.Destination, err)
	fmt.Printf("%s\n", stream[h.Size:])
	// Output:
	// "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\nhello"
	// proxyproto: the header is not complete
	// 192.0.2.1:5000 to 198.51.100.2:443 <nil>
	// hello
}
