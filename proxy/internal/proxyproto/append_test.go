package proxyproto

import (
	"net/netip"
	"testing"
)

// What HAProxy 2.6 and nginx 1.22 send for the same connections is in the tests
// of proxy/tcp.
func TestHeadersAreWritten(t *testing.T) {
	for _, c := range []struct{ source, destination, v1, v2 string }{
		{"192.0.2.1:5000", "198.51.100.2:443",
			"PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n", v2(0x21, 0x11, 12, in4)},
		{"[::ffff:192.0.2.1]:5000", "198.51.100.2:443",
			"PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n", v2(0x21, 0x11, 12, in4)},
		{"[2001:db8::1]:65535", "10.0.0.1:0",
			"PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 65535 0\r\n", v2(0x21, 0x21, 36, in6)},
		{"10.0.0.1:1", "[2001:db8::1]:2", "PROXY TCP6 ::ffff:10.0.0.1 2001:db8::1 1 2\r\n",
			v2(0x21, 0x21, 36, in6[16:32]+in6[:16]+"\x00\x01\x00\x02")},
		{"[2001:db8::1%eth0]:1", "[2001:db8::1]:2", "PROXY TCP6 2001:db8::1 2001:db8::1 1 2\r\n",
			v2(0x21, 0x21, 36, in6[:16]+in6[:16]+"\x00\x01\x00\x02")},
		{"", "10.0.0.1:80", "PROXY UNKNOWN\r\n", v2(0x20, 0, 0, "")},
		{"10.0.0.1:80", "", "PROXY UNKNOWN\r\n", v2(0x20, 0, 0, "")},
	} {
		if got := string(AppendV1([]byte(">"), ap(c.source), ap(c.destination))); got != ">"+c.v1 {
			t.Errorf("version 1 from %s to %s: %q, want %q", c.source, c.destination, got, c.v1)
		}
		if got := string(AppendV2([]byte(">"), ap(c.source), ap(c.destination))); got != ">"+c.v2 {
			t.Errorf("version 2 from %s to %s: %q, want %q", c.source, c.destination, got, c.v2)
		}
	}
}

func FuzzWhatIsWrittenIsRead(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{198, 51, 100, 1}, uint16(1), uint16(65535))
	f.Add([]byte(in6[:16]), []byte(in6[16:32]), uint16(1), uint16(0))
	f.Add([]byte{192, 0, 2, 1}, []byte(in6[:16]), uint16(1), uint16(0))
	f.Fuzz(func(t *testing.T, from, to []byte, fromPort, toPort uint16) {
		source, ok1 := netip.AddrFromSlice(from)
		destination, ok2 := netip.AddrFromSlice(to)
		if !ok1 || !ok2 {
			return
		}
		want := Header{
			Source:      netip.AddrPortFrom(source.Unmap(), fromPort),
			Destination: netip.AddrPortFrom(destination.Unmap(), toPort),
		}
		for _, add := range []func([]byte, netip.AddrPort, netip.AddrPort) []byte{AppendV1, AppendV2} {
			b := add(nil, netip.AddrPortFrom(source, fromPort), netip.AddrPortFrom(destination, toPort))
			want.Size = len(b)
			if h, err := Parse(append(b, "and more"...)); h != want || err != nil {
				t.Fatalf("%q is read as %+v, %v; want %+v", b, h, err, want)
			}
		}
	})
}

func TestWritingAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 128)
	for _, from := range []string{"192.0.2.1:5000", "[2001:db8::1]:5000"} {
		from, to := ap(from), ap("198.51.100.2:443")
		if n := testing.AllocsPerRun(100, func() { AppendV1(b, from, to); AppendV2(b, from, to) }); n != 0 {
			t.Errorf("%v: %v allocations", from, n)
		}
	}
}
