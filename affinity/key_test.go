package affinity_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/affinity"
)

// TestKeysAreTheGoldenOnes holds our keys to those of another implementation, so that all proxies of a fleet, of
// any version and language, agree.
func TestKeysAreTheGoldenOnes(t *testing.T) {
	f, err := os.Open("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	checked := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if got, want := goldenKey(t, line), line[strings.LastIndexByte(line, ' ')+1:]; got != want {
			t.Errorf("%s\n got %s", line, got)
		}
		checked++
	}
	if checked < 80 {
		t.Errorf("only %d vectors", checked)
	}
}

// goldenKey computes the key of one line of testdata/keys.txt.
func goldenKey(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(strings.SplitN(line, " = ", 2)[0])
	kind, err := affinity.ParseKind(words[1])
	if err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(words[2], 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	rule := affinity.Rule{Kind: kind, Seed: seed}
	if words[0] == "flow" {
		proto, err := strconv.ParseUint(words[5], 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%016x", rule.FlowKey(affinity.Flow{
			Src: netip.MustParseAddrPort(words[3]), Dst: netip.MustParseAddrPort(words[4]), Proto: uint8(proto)}))
	}
	if words[3] != "-" {
		rule.Service = words[3]
	}
	var values [][]byte
	for _, w := range words[4:] {
		v, err := strconv.Unquote(w)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, []byte(v))
	}
	return fmt.Sprintf("%016x", rule.ValueKey(values...))
}

func flow(src, dst string, proto uint8) affinity.Flow {
	return affinity.Flow{Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Proto: proto}
}

// TestAKeyDependsOnWhatItsKindNames changes one part of a flow at a time.
func TestAKeyDependsOnWhatItsKindNames(t *testing.T) {
	base := flow("203.0.113.7:50000", "192.0.2.1:443", 6)
	changes := []struct {
		what string
		flow affinity.Flow
	}{
		{"source address", flow("203.0.113.8:50000", "192.0.2.1:443", 6)},
		{"source port", flow("203.0.113.7:50001", "192.0.2.1:443", 6)},
		{"destination address", flow("203.0.113.7:50000", "192.0.2.2:443", 6)},
		{"destination port", flow("203.0.113.7:50000", "192.0.2.1:444", 6)},
		{"protocol", flow("203.0.113.7:50000", "192.0.2.1:443", 17)},
	}
	for kind, moves := range map[affinity.Kind]string{ // one letter per change: does the key change?
		affinity.None:                  "yyyyy",
		affinity.ClientIP:              "ynynn",
		affinity.ClientIPProto:         "ynyny",
		affinity.ClientIPPortProto:     "yyyyy",
		affinity.ClientIPNoDestination: "ynnnn",
		affinity.HTTPCookie:            "yyyyy", // asked for a flow, it spreads as NONE does
	} {
		rule := affinity.Rule{Kind: kind, Seed: 1}
		for i, c := range changes {
			if moved, want := rule.FlowKey(c.flow) != rule.FlowKey(base), moves[i] == 'y'; moved != want {
				t.Errorf("%v: another %s changes the key: %v, want %v", kind, c.what, moved, want)
			}
		}
	}
}

func TestOneAddressHasOneKeyHoweverItIsWritten(t *testing.T) {
	for kind := affinity.None; kind.NeedsFlow(); kind++ {
		rule := affinity.Rule{Kind: kind, Seed: 7}
		v4 := rule.FlowKey(flow("203.0.113.7:50000", "192.0.2.1:443", 6))
		mapped := rule.FlowKey(flow("[::ffff:203.0.113.7]:50000", "[::ffff:c000:201]:443", 6))
		if v4 != mapped {
			t.Errorf("%v: IPv4 %x, IPv4-mapped %x", kind, v4, mapped)
		}
		if a, b := rule.FlowKey(flow("[fe80::1%eth0]:1", "[fe80::2%eth0]:2", 6)), rule.FlowKey(flow("[fe80::1]:1", "[fe80::2%lan]:2", 6)); a != b {
			t.Errorf("%v: the zone's name changes the key", kind)
		}
	}
}

// TestAFlowWithoutAddressesHasAKey covers peers on Unix sockets.
func TestAFlowWithoutAddressesHasAKey(t *testing.T) {
	for kind := affinity.None; kind.NeedsFlow(); kind++ {
		rule := affinity.Rule{Kind: kind}
		nobody := affinity.Flow{}
		somebody := affinity.Flow{Src: netip.MustParseAddrPort("192.0.2.1:1")}
		if rule.FlowKey(nobody) == rule.FlowKey(somebody) {
			t.Errorf("%v: the zero flow has the key of an address", kind)
		}
	}
}

func TestTheSeedChangesEveryKey(t *testing.T) {
	f := flow("203.0.113.7:50000", "192.0.2.1:443", 6)
	for kind := affinity.None; kind <= affinity.HTTPCookie; kind++ {
		a, b := affinity.Rule{Kind: kind, Seed: 1}, affinity.Rule{Kind: kind, Seed: 2}
		if a.FlowKey(f) == b.FlowKey(f) || a.ValueKey([]byte("v")) == b.ValueKey([]byte("v")) {
			t.Errorf("%v: two seeds, one key", kind)
		}
	}
}

// TestHeaderLinesAreOneValue is RFC 9110 §5.3: several lines mean what one line with commas means.
func TestHeaderLinesAreOneValue(t *testing.T) {
	rule := affinity.Rule{Kind: affinity.HeaderField, Header: "X-User", Seed: 3}
	if a, b := rule.ValueKey([]byte("a"), []byte("b")), rule.ValueKey([]byte("a,b")); a != b {
		t.Errorf("two lines %x, one line %x", a, b)
	}
	if rule.ValueKey([]byte("a"), []byte("b")) == rule.ValueKey([]byte("ab")) {
		t.Error("the border between two values is not hashed")
	}
}

// TestTheGeneratedCookieServesEveryService: one value, valid in all services, but not in the same place in each.
func TestTheGeneratedCookieServesEveryService(t *testing.T) {
	value := []byte("0123456789abcdef0123456789abcdef")
	key := func(kind affinity.Kind, service string) uint64 {
		r := affinity.Rule{Kind: kind, Seed: 5, Service: service}
		return r.ValueKey(value)
	}
	if key(affinity.GeneratedCookie, "web") == key(affinity.GeneratedCookie, "api") {
		t.Error("two services hash the generated cookie alike")
	}
	if key(affinity.HTTPCookie, "web") != key(affinity.HTTPCookie, "api") {
		t.Error("HTTP_COOKIE is to be hashed as it is")
	}
}

// TestNeighboursSpread puts 65 536 addresses of one network into 64 bins and allows what chi-square does at 63 degrees
// of freedom (p ≈ 1e-6).
func TestNeighboursSpread(t *testing.T) {
	for kind := affinity.None; kind.NeedsFlow(); kind++ {
		rule := affinity.Rule{Kind: kind}
		var bins [64]float64
		const n = 1 << 16
		for i := range n {
			src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 0)
			bins[rule.FlowKey(affinity.Flow{Src: src, Dst: src, Proto: 6})%64]++
		}
		chi := 0.0
		for _, b := range bins {
			chi += (b - n/64) * (b - n/64) / (n / 64)
		}
		if chi > 130 {
			t.Errorf("%v: chi-square %.1f over 64 bins", kind, chi)
		}
	}
}
