//go:build !race

package affinity_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

func TestTheHotPathAllocatesNothing(t *testing.T) {
	var (
		tuple   = affinity.Rule{Kind: affinity.ClientIPPortProto, Seed: 1}
		cookie  = affinity.Rule{Kind: affinity.GeneratedCookie, Seed: 1, Service: "web"}
		f       = flow("203.0.113.7:50000", "192.0.2.1:443", 6)
		header  = lines("lang=en; theme=dark", "GCILB=0123456789abcdef0123456789abcdef")
		xff     = lines("6.6.6.6, [2001:db8::1%eth0]:4711", "::ffff:10.0.0.7, 10.0.0.9:80")
		peer    = netip.MustParseAddr("10.0.0.1")
		trusted = prefixes("192.168.0.0/16", "10.0.0.0/8")
		buf     = make([]byte, 0, 256)
		value   = []byte("0123456789abcdef0123456789abcdef")
		long    = make([]byte, 4096)
		sum     uint64

		bound  = strong(t, "web", time.Hour, 1)
		jar    = lines("lang=en; SPILLWAY="+sealed(t, bound, "10.0.0.1:80", now), "theme=dark")
		memory = make([]byte, 0, 2048)
	)
	for name, step := range map[string]func(){
		"FlowKey":          func() { sum += tuple.FlowKey(f) },
		"ValueKey":         func() { sum += cookie.ValueKey(value, long) },
		"CookieValue":      func() { v, _ := affinity.CookieValue(header, "GCILB"); sum += uint64(len(v)) },
		"Client":           func() { sum += uint64(affinity.Client(peer, xff, trusted).BitLen()) },
		"NewCookieValue":   func() { v := cookie.NewCookieValue(); sum += uint64(v[0]) },
		"AppendSetCookie":  func() { sum += uint64(len(cookie.AppendSetCookie(buf, value, now, true))) },
		"Session":          func() { s, _ := bound.Session(memory, jar, now); sum += uint64(len(s.Endpoint)) },
		"AppendSetSession": func() { sum += uint64(len(bound.AppendSetSession(memory, "10.0.0.1:80", now, true))) },
	} {
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
