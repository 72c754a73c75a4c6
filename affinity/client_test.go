package affinity_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/affinity"
)

func prefixes(s ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, x := range s {
		p = append(p, netip.MustParsePrefix(x))
	}
	return p
}

func TestClientIsTheRightmostUntrusted(t *testing.T) {
	trusted := prefixes("10.0.0.0/8", "fd00::/8", "fe80::/10")
	for _, c := range []struct {
		name  string
		peer  string
		lines []string
		want  string
	}{
		{"stranger who says nothing", "203.0.113.7", nil, "203.0.113.7"},
		{"stranger who lies", "203.0.113.7", []string{"6.6.6.6"}, "203.0.113.7"},
		{"proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"the client lied", "10.0.0.1", []string{"6.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{"the client claims to be a proxy", "10.0.0.1", []string{"10.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "10.0.0.1", []string{"6.6.6.6, 203.0.113.7, 10.0.0.9"}, "203.0.113.7"},
		{"in two lines", "10.0.0.1", []string{"6.6.6.6", "203.0.113.7", "10.0.0.9"}, "203.0.113.7"},
		{"all ours: the left-most", "10.0.0.1", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"empty line", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"empty entry", "10.0.0.1", []string{"203.0.113.7,,10.0.0.9"}, "10.0.0.9"},
		{"trailing comma", "10.0.0.1", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"unknown", "10.0.0.1", []string{"203.0.113.7, unknown, 10.0.0.9"}, "10.0.0.9"},
		{"unknown at once", "10.0.0.1", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"obfuscated", "10.0.0.1", []string{"_hidden"}, "10.0.0.1"},
		{"host name", "10.0.0.1", []string{"client.example"}, "10.0.0.1"},
		{"spaces and tabs", "10.0.0.1", []string{" \t203.0.113.7 \t, 10.0.0.9 "}, "203.0.113.7"},
		{"other white space", "10.0.0.1", []string{"203.0.113.7\v"}, "10.0.0.1"},
		{"port", "10.0.0.1", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"port on a proxy", "10.0.0.1", []string{"203.0.113.7, 10.0.0.9:80"}, "203.0.113.7"},
		{"port too large", "10.0.0.1", []string{"203.0.113.7:65536"}, "10.0.0.1"},
		{"empty port", "10.0.0.1", []string{"203.0.113.7:"}, "10.0.0.1"},
		{"port with sign", "10.0.0.1", []string{"203.0.113.7:+80"}, "10.0.0.1"},
		{"IPv6", "10.0.0.1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with port", "10.0.0.1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6, half a bracket", "10.0.0.1", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"IPv6, junk after bracket", "10.0.0.1", []string{"[2001:db8::1]x"}, "10.0.0.1"},
		{"IPv4 in brackets", "10.0.0.1", []string{"[203.0.113.7]:80"}, "10.0.0.1"},
		{"IPv6 zone", "10.0.0.1", []string{"2001:db8::1, fe80::1%eth0"}, "2001:db8::1"},
		{"IPv6 zone and port", "10.0.0.1", []string{"2001:db8::1, [fe80::1%eth0]:80"}, "2001:db8::1"},
		{"empty zone", "10.0.0.1", []string{"2001:db8::1, fe80::1%"}, "10.0.0.1"},
		{"zone on IPv4", "10.0.0.1", []string{"203.0.113.7%eth0"}, "10.0.0.1"},
		{"peer with a zone", "fe80::1%eth0", []string{"203.0.113.7"}, "203.0.113.7"},
		{"mapped peer", "::ffff:10.0.0.1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"mapped entries", "10.0.0.1", []string{"::ffff:203.0.113.7, ::ffff:10.0.0.9"}, "203.0.113.7"},
		{"leading zeros are no address", "10.0.0.1", []string{"203.0.113.007"}, "10.0.0.1"},
		{"quoted", "10.0.0.1", []string{`"203.0.113.7"`}, "10.0.0.1"},
		{"huge entry", "10.0.0.1", []string{"203.0.113.7," + strings.Repeat("1", 1<<20)}, "10.0.0.1"},
		{"many proxies", "10.0.0.1", []string{"203.0.113.7" + strings.Repeat(",10.0.0.2", 10000)}, "203.0.113.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := affinity.Client(netip.MustParseAddr(c.peer), lines(c.lines...), trusted); got != netip.MustParseAddr(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestTrustedNetworksMayBeMapped(t *testing.T) {
	got := affinity.Client(netip.MustParseAddr("10.0.0.1"), lines("203.0.113.7"), prefixes("::ffff:10.0.0.0/104"))
	if got != netip.MustParseAddr("203.0.113.7") {
		t.Errorf("client %v", got)
	}
}

// TestAPeerWithoutAddressIsNotTrusted covers Unix sockets, and networks that hold everything.
func TestAPeerWithoutAddressIsNotTrusted(t *testing.T) {
	if got := affinity.Client(netip.Addr{}, lines("203.0.113.7"), prefixes("0.0.0.0/0", "::/0")); got.IsValid() {
		t.Errorf("client %v", got)
	}
}

// naiveClient is Client as one would say it: list all hops, nearest first, and stop at the first that is not ours
// or not known.
func naiveClient(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	slices.Reverse(hops)
	if len(forwarded) == 0 {
		hops = nil
	}
	ours := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	client := peer
	for _, hop := range hops {
		addr, ok := naiveEntry(strings.Trim(hop, " \t"))
		if !ours(client) || !ok {
			break
		}
		client = addr
	}
	return client
}

var (
	withPort  = regexp.MustCompile(`^([^:]*):([0-9]{1,5})$`)
	bracketed = regexp.MustCompile(`(?s)^\[([^\]]*:[^\]]*)\](?::([0-9]{1,5}))?$`)
)

func naiveEntry(s string) (netip.Addr, bool) {
	host, port := s, "0"
	if m := bracketed.FindStringSubmatch(s); m != nil {
		host, port = m[1], m[2]
	} else if m := withPort.FindStringSubmatch(s); m != nil {
		host, port = m[1], m[2]
	}
	if n, err := strconv.Atoi("0" + port); err != nil || n > 65535 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr.WithZone("").Unmap(), err == nil
}

func FuzzClientAgreesWithTheNaiveOne(f *testing.F) {
	f.Add("6.6.6.6, 203.0.113.7", "10.0.0.9:80", true)
	f.Add("[2001:db8::1]:80,fe80::1%eth0", "unknown,", true)
	f.Add("::ffff:203.0.113.7, ::ffff:10.0.0.9", "[10.0.0.1]:5, [::1%a]", false)
	trusted := prefixes("10.0.0.0/8", "fd00::/8", "fe80::/10", "::1/128")
	f.Fuzz(func(t *testing.T, line1, line2 string, friend bool) {
		peer := netip.MustParseAddr("203.0.113.99")
		if friend {
			peer = netip.MustParseAddr("10.0.0.1")
		}
		in := []string{line1, line2}
		got, want := affinity.Client(peer, lines(in...), trusted), naiveClient(peer, in, trusted)
		if got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
		if !friend && got != peer {
			t.Errorf("a stranger was believed: %v", got)
		}
	})
}
