package discovery

import (
	"testing"

	"github.com/miekg/dns"
)

// Whatever a server sends, what is taken of it is bounded and can be dialed.
func FuzzRead(f *testing.F) {
	for _, line := range []string{"web.test. 60 IN A 10.0.0.1", "web.test. 60 IN AAAA fd00::1", "web.test. 60 IN CNAME web.test.", "web.test. 60 IN SRV 0 0 80 a.test."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			f.Fatal(err)
		}
		m := new(dns.Msg).SetQuestion("web.test.", dns.TypeA)
		m.Response, m.Answer = true, []dns.RR{rr, rr}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x00\x01\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			r := read(m, "web.test.", kind)
			if len(r.addrs) > len(m.Answer) {
				t.Errorf("%d addresses of %d records", len(r.addrs), len(m.Answer))
			}
			for _, a := range usable(r.addrs) {
				if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || r.ttl <= 0 {
					t.Errorf("address %v for %v", a, r.ttl)
				}
			}
		}
		records, ttl := srvOf(m, "web.test.")
		if len(records) > 0 && ttl <= 0 {
			t.Errorf("%d records for %v", len(records), ttl)
		}
	})
}
