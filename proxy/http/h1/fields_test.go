package h1

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// The eight-at-a-time scans find what looking at each byte finds.
func TestScansAgreeWithTheTable(t *testing.T) {
	dumb := func(b []byte, i int, what uint8) int {
		for i < len(b) && is(b[i], what) {
			i++
		}
		return i
	}
	check := func(b []byte) {
		t.Helper()
		for i := range b {
			if got, want := nameEnd(b, i), dumb(b, i, isToken); got != want {
				t.Fatalf("nameEnd(%q, %d) = %d, want %d", b, i, got, want)
			}
			if got, want := valueEnd(b, i), dumb(b, i, isValue); got != want {
				t.Fatalf("valueEnd(%q, %d) = %d, want %d", b, i, got, want)
			}
		}
	}
	for c := range 256 {
		for at := range 20 {
			for _, pad := range []string{"a", "-", "Z", "~", "\t", "\xff"} {
				b := bytes.Repeat([]byte(pad), 20)
				b[at] = byte(c)
				check(b)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	const odd = "aZ-,.:\r\n\t \x00\x01\x7f\x80\xad\xff@[`{09_"
	for range 20000 {
		b := make([]byte, 1+random.IntN(24))
		for i := range b {
			b[i] = odd[random.IntN(len(odd))]
		}
		check(b)
	}
}

// An address between brackets is judged as net/netip does.
func TestIPv6AgreesWithNetip(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	parts := []string{":", "::", "1", "ab", "FFFF", "12345", ":0", ":1", ":2:3", "1.2.3.4", ".", "255", "g", ":1:2:3:4:5:6:7", "01"}
	sound := 0
	for range 200000 {
		var s strings.Builder
		for range 1 + random.IntN(7) {
			s.WriteString(parts[random.IntN(len(parts))])
		}
		a, err := netip.ParseAddr(s.String())
		want := err == nil && a.Is6()
		if got := isIPv6([]byte(s.String())); got != want {
			t.Fatalf("%q: %v, netip says %v, %v", s.String(), got, a, err)
		}
		if want {
			sound++
		}
	}
	if sound < 1000 {
		t.Fatalf("only %d of them were addresses", sound)
	}
}

// Every name that has a rule is found whatever its case, and no neighbour of it.
func TestKindsAreFoundInAnyCase(t *testing.T) {
	for name, want := range map[string]kind{
		"host": kHost, "content-length": kLength, "transfer-encoding": kCoding, "connection": kConnection, "upgrade": kUpgrade,
		"keep-alive": kHop, "proxy-connection": kHop, "te": kHop, "http2-settings": kHop, "proxy-authenticate": kHop, "proxy-authorization": kHop,
		"expect": kExpect, "x-forwarded-for": kForwardedFor, "x-forwarded-proto": kForwardedProto, "x-forwarded-host": kForwardedHost,
		"via": kVia, "trailer": kTrailer,
	} {
		for _, form := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := kindOf([]byte(form)); got != want {
				t.Errorf("%s: %d, want %d", form, got, want)
			}
		}
		for i := range name {
			other := []byte(name)
			if other[i] = '_'; kindOf(other) != plain {
				t.Errorf("%s is taken for %s", other, name)
			}
			if kindOf([]byte(name[:i])) != plain {
				t.Errorf("%s is taken for %s", name[:i], name)
			}
		}
		if kindOf([]byte(name+"s")) != plain {
			t.Errorf("%ss is taken for %s", name, name)
		}
	}
}
