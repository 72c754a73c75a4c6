package proxyproto

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	pires "github.com/pires/go-proxyproto"
)

func ap(s string) netip.AddrPort {
	if s == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(s)
}

// v2 is a header of version 2 with this command, family and length.
func v2(command, family byte, length int, rest string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family, byte(length >> 8), byte(length)}) + rest
}

const (
	in4 = "\xc0\x00\x02\x01" + "\xc6\x33\x64\x02" + "\x13\x88" + "\x01\xbb" // 192.0.2.1:5000 to 198.51.100.2:443
	in6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01" + "\xff\xff" + "\x00\x00"
)

var good = []struct {
	name, header        string
	source, destination string
}{
	{"v1 over IPv4", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n", "192.0.2.1:5000", "198.51.100.2:443"},
	{"v1 over IPv6", "PROXY TCP6 2001:db8::1 2001:DB8::2 65535 0\r\n", "[2001:db8::1]:65535", "[2001:db8::2]:0"},
	{"v1 at its longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535"},
	{"v1 of IPv4 as IPv6", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n", "192.0.2.1:1", "[2001:db8::2]:2"},
	{"v1 of IPv4 among IPv6, as of nginx", "PROXY TCP6 192.0.2.1 2001:db8::2 1 2\r\n", "192.0.2.1:1", "[2001:db8::2]:2"},
	{"v1 that does not know", "PROXY UNKNOWN\r\n", "", ""},
	{"v1 that does not know, and says a lot", "PROXY UNKNOWN ffff::1 x 65535 \x00\r\n", "", ""},
	{"v2 over IPv4", v2(0x21, 0x11, 12, in4), "192.0.2.1:5000", "198.51.100.2:443"},
	{"v2 over IPv6", v2(0x21, 0x21, 36, in6), "[2001:db8::1]:65535", "10.0.0.1:0"},
	{"v2 with more than addresses", v2(0x21, 0x11, 19, in4+"\x01\x00\x04spam"), "192.0.2.1:5000", "198.51.100.2:443"},
	{"v2 at its longest", v2(0x21, 0x11, 4096, in4+strings.Repeat("\xff", 4096-12)), "192.0.2.1:5000", "198.51.100.2:443"},
	{"v2 of a health check", v2(0x20, 0, 0, ""), "", ""},
	{"v2 of a health check, with addresses", v2(0x20, 0x11, 12, in4), "", ""},
	{"v2 of a health check, with half of them", v2(0x20, 0x11, 5, in4[:5]), "", ""},
	{"v2 of no family", v2(0x21, 0, 0, ""), "", ""},
	{"v2 of UDP", v2(0x21, 0x12, 12, in4), "", ""},
	{"v2 of a Unix socket", v2(0x21, 0x31, 216, strings.Repeat("/", 216)), "", ""},
}

func TestHeadersAreReadAndNothingBehindThem(t *testing.T) {
	for _, c := range good {
		for _, behind := range []string{"", "\r\n", "GET / HTTP/1.1\r\n\r\n", c.header} {
			h, err := Parse([]byte(c.header + behind))
			want := Header{Source: ap(c.source), Destination: ap(c.destination), Size: len(c.header)}
			if h != want || err != nil {
				t.Errorf("%s: %+v, %v; want %+v", c.name, h, err, want)
			}
		}
	}
}

func TestPartsOfHeadersNeedMore(t *testing.T) {
	for _, c := range good {
		for n := range len(c.header) {
			if h, err := Parse([]byte(c.header[:n])); err != ErrShort {
				t.Fatalf("%s: the first %d bytes: %+v, %v", c.name, n, h, err)
			}
		}
	}
}

func TestWhatIsNoHeaderIsRefusedAsSoonAsThatIsClear(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		err         error
	}{
		{"HTTP", "G", errSignature},
		{"HTTP that begins like one", "PU", errSignature},
		{"lower case", "p", errSignature},
		{"no space", "PROXY\t", errSignature},
		{"v2's first half", "\r\n\r\n\x00\r\nQUIX", errSignature},
		{"TLS", "\x16\x03\x01", errSignature},
		{"v1 without an end", "PROXY TCP4 " + strings.Repeat("1", 96), errLong},
		{"v1 one byte too long", "PROXY UNKNOWN " + strings.Repeat("x", 107-14-1) + "\r\n", errLong},
		{"v1 without a carriage return", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\n", errLine},
		{"v1 with nothing", "PROXY \r\n", errLine},
		{"v1 with nothing at all", "PROXY \n", errLine},
		{"v1 of UDP", "PROXY UDP4 192.0.2.1 198.51.100.2 5000 443\r\n", errLine},
		{"v1 of an unknown that is another word", "PROXY UNKNOWNS\r\n", errLine},
		{"v1 of two lines", "PROXY UNKNOWN a\nb\r\n", errLine},
		{"v1 with two spaces", "PROXY TCP4 192.0.2.1  198.51.100.2 5000 443\r\n", errLine},
		{"v1 with a space at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443 \r\n", errLine},
		{"v1 with a word too many", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443 7\r\n", errLine},
		{"v1 with a word too few", "PROXY TCP4 192.0.2.1 198.51.100.2 5000\r\n", errLine},
		{"v1 with IPv6 as IPv4", "PROXY TCP4 ::1 ::1 5000 443\r\n", errLine},
		{"v1 with IPv4 in another form", "PROXY TCP4 ::ffff:192.0.2.1 ::ffff:192.0.2.2 5000 443\r\n", errLine},
		{"v1 with octal digits", "PROXY TCP4 192.0.02.1 198.51.100.2 5000 443\r\n", errLine},
		{"v1 with a name", "PROXY TCP4 localhost 198.51.100.2 5000 443\r\n", errLine},
		{"v1 with a zone", "PROXY TCP6 fe80::1%eth0 fe80::2 5000 443\r\n", errLine},
		{"v1 with brackets", "PROXY TCP6 [::1] [::1] 5000 443\r\n", errLine},
		{"v1 with a port too large", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n", errLine},
		{"v1 with a port below zero", "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", errLine},
		{"v1 with a port that has a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n", errLine},
		{"v1 with a port that begins with zero", "PROXY TCP4 192.0.2.1 198.51.100.2 05000 443\r\n", errLine},
		{"v1 with no port", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 \r\n", errLine},
		{"version 1 in binary", v2(0x11, 0, 0, "")[:13], errCommand},
		{"version 3", v2(0x31, 0, 0, "")[:13], errCommand},
		{"v2 with an unknown command", v2(0x22, 0, 0, "")[:13], errCommand},
		{"v2 with an unknown family", v2(0x21, 0x41, 12, ""), errFamily},
		{"v2 with an unknown protocol", v2(0x21, 0x13, 12, ""), errFamily},
		{"v2 with a protocol of no family", v2(0x21, 0x01, 12, ""), errFamily},
		{"v2 too short for IPv4", v2(0x21, 0x11, 11, ""), errLength},
		{"v2 too short for IPv6", v2(0x21, 0x21, 35, ""), errLength},
		{"v2 too short for a Unix socket", v2(0x21, 0x31, 215, ""), errLength},
		{"v2 one byte too long", v2(0x21, 0x11, 4097, ""), errLong},
		{"v2 as long as can be said", v2(0x20, 0x00, 65535, ""), errLong},
	} {
		for _, behind := range []string{"", strings.Repeat("\r\n", 100)} {
			if h, err := Parse([]byte(c.bytes + behind)); err != c.err || h != (Header{}) {
				t.Errorf("%s: %+v, %v; want %v", c.name, h, err, c.err)
			}
		}
	}
}

// FuzzParse holds Parse to another implementation, and to itself: how a header is
// cut does not matter, nor does what follows it.
func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.header))
		f.Add([]byte(c.header + "more"))
	}
	f.Add([]byte("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	pires.V1AcceptIPv4InTCP6 = true
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		for n := range b {
			switch part, e := Parse(b[:n]); {
			case err == nil && n < h.Size && e != ErrShort,
				err == nil && n >= h.Size && (part != h || e != nil),
				err == ErrShort && e != ErrShort,
				err != nil && e == nil:
				t.Fatalf("all: %+v, %v; the first %d bytes: %+v, %v", h, err, n, part, e)
			case e != nil && e != ErrShort && e != err:
				t.Fatalf("refused as %v after %d bytes, and then: %v", e, n, err)
			}
		}
		if err == ErrShort && len(b) >= MaxSize {
			t.Fatal("that is enough")
		}
		r := bufio.NewReaderSize(bytes.NewReader(b), 2*MaxSize)
		theirs, e := pires.Read(r)
		switch {
		case err != nil && e == nil:
			t.Fatalf("%v; they read %+v", err, theirs)
		case err != nil || lenient(b):
			return
		case e != nil:
			t.Fatalf("%+v; they: %v", h, e)
		case r.Buffered() != len(b)-h.Size:
			t.Fatalf("%d bytes; they leave %d of %d", h.Size, r.Buffered(), len(b))
		}
		from, to, _ := theirs.TCPAddrs()
		if theirs.Command == pires.LOCAL {
			from, to = nil, nil
		}
		if h.Source != addrPort(from) || h.Destination != addrPort(to) {
			t.Fatalf("%+v; they: %v to %v", h, from, to)
		}
	})
}

// lenient reports whether b is what we accept and they do not: version 2 without
// a family, and an unknown one where it does not matter.
func lenient(b []byte) bool {
	return b[0] == '\r' && (b[13] == 0 || b[12] == local)
}

func addrPort(a *net.TCPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
