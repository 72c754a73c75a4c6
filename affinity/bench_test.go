package affinity_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

func BenchmarkFlowKey(b *testing.B) {
	f := flow("203.0.113.7:50000", "192.0.2.1:443", 6)
	for kind := affinity.ClientIP; kind.NeedsFlow(); kind++ {
		b.Run(kind.String(), func(b *testing.B) {
			rule := affinity.Rule{Kind: kind, Seed: 1}
			b.ReportAllocs()
			for b.Loop() {
				rule.FlowKey(f)
			}
		})
	}
}

func BenchmarkValueKey(b *testing.B) {
	rule := affinity.Rule{Kind: affinity.GeneratedCookie, Seed: 1, Service: "web"}
	value := []byte("0123456789abcdef0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		rule.ValueKey(value)
	}
}

func BenchmarkCookieValue(b *testing.B) {
	header := lines("lang=en; theme=dark; _ga=GA1.2.1234567890.1234567890; GCILB=0123456789abcdef0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		affinity.CookieValue(header, "GCILB")
	}
}

func BenchmarkClient(b *testing.B) {
	xff, peer, trusted := lines("203.0.113.7, 10.0.0.9"), netip.MustParseAddr("10.0.0.1"), prefixes("10.0.0.0/8")
	b.ReportAllocs()
	for b.Loop() {
		affinity.Client(peer, xff, trusted)
	}
}

func BenchmarkSession(b *testing.B) {
	rule := strong(b, "web", time.Hour, 1)
	jar, memory := lines("lang=en; SPILLWAY="+sealed(b, rule, "10.0.0.1:80", now)), make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := rule.Session(memory, jar, now); s.State != affinity.SessionValid {
			b.Fatal(s.State)
		}
	}
}

func BenchmarkAppendSetSession(b *testing.B) {
	rule, memory := strong(b, "web", time.Hour, 1), make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		rule.AppendSetSession(memory, "10.0.0.1:80", now, true)
	}
}
