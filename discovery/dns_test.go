package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/dnstest"
)

// look asks once for web.test.
func look(t *testing.T, s *dnstest.Server) (discovery.Answer, error) {
	t.Helper()
	return source(s, "web.test").Look(t.Context())
}

func source(s *dnstest.Server, host string) discovery.Source {
	return discovery.DNS(host, "80", discovery.Query{Resolvers: []string{s.Addr}})
}

// found is look for names that have addresses.
func found(t *testing.T, s discovery.Source) string {
	t.Helper()
	a, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return addrs(a.Endpoints)
}

func TestAddressesOfBothFamiliesAreEndpoints(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.2", "web.test. 30 IN A 10.0.0.1", "web.test. 60 IN A 10.0.0.2")
	s.Set("web.test", "AAAA", "web.test. 40 IN AAAA fd00::1")
	a, err := look(t, s)
	if err != nil || addrs(a.Endpoints) != "10.0.0.1:80 10.0.0.2:80 [fd00::1]:80" || a.TTL != 30*time.Second {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestTimesToLiveAreBelievedWithinBounds(t *testing.T) {
	s := dnstest.Serve(t)
	for ttl, want := range map[string]time.Duration{
		"0": time.Second, "1": time.Second, "7": 7 * time.Second, "86400": 5 * time.Minute, "4294967295": time.Second,
	} {
		s.Set("web.test", "A", "web.test. "+ttl+" IN A 10.0.0.1")
		if a, err := look(t, s); err != nil || a.TTL != want {
			t.Errorf("%s s: looked at again after %v, want %v; %v", ttl, a.TTL, want, err)
		}
	}
	s.Set("web.test", "A", "web.test. 9 IN A 10.0.0.1")
	q := discovery.Query{Resolvers: []string{s.Addr}, MinTTL: time.Millisecond, MaxTTL: 20 * time.Millisecond}
	if a, err := discovery.DNS("web.test", "80", q).Look(t.Context()); err != nil || a.TTL != 20*time.Millisecond {
		t.Errorf("with a ceiling of 20ms: %v, %v", a.TTL, err)
	}
}

func TestAliasesAreFollowedInOneAnswerAndOverSeveral(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 20 IN CNAME a.test.", "A.test. 60 IN CNAME b.test.", "b.test. 60 IN A 10.0.0.1", "other.test. 60 IN A 10.9.9.9")
	if a, err := look(t, s); err != nil || addrs(a.Endpoints) != "10.0.0.1:80" || a.TTL != 20*time.Second {
		t.Errorf("in one answer: %+v, %v", a, err)
	}
	s.Set("web.test", "A", "web.test. 60 IN CNAME c.test.")
	s.Set("c.test", "A", "c.test. 60 IN A 10.0.0.2")
	if got := found(t, source(s, "web.test")); got != "10.0.0.2:80" {
		t.Errorf("over two answers: %s", got)
	}
}

func TestAliasesThatGoRoundEnd(t *testing.T) {
	s := dnstest.Serve(t)
	for _, kind := range []string{"A", "AAAA"} {
		s.Set("web.test", kind, "web.test. 60 IN CNAME a.test.")
		s.Set("a.test", kind, "a.test. 60 IN CNAME web.test.")
		s.Set("self.test", kind, "self.test. 60 IN CNAME self.test.")
	}
	if _, err := look(t, s); err == nil || !strings.Contains(err.Error(), "aliases") {
		t.Errorf("a circle of two: %v", err)
	}
	if _, err := source(s, "self.test").Look(t.Context()); err == nil {
		t.Error("a circle of one has an answer")
	}
	s.Set("web.test", "A", "web.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME web.test.")
	if _, err := look(t, s); err == nil {
		t.Error("a circle in one message has an answer")
	}
}

func TestAnAnswerThatDoesNotFitComesOverTCP(t *testing.T) {
	s := dnstest.Serve(t)
	var lines []string
	for i := range 2000 {
		lines = append(lines, fmt.Sprintf("web.test. 60 IN A 10.0.%d.%d", i/250, i%250+1))
	}
	s.Set("web.test", "A", lines...)
	a, err := look(t, s)
	if err != nil || len(a.Endpoints) != 2000 {
		t.Errorf("%d endpoints, %v", len(a.Endpoints), err)
	}
}

// The first half would take the endpoints of the second away.
func TestHalfAnAnswerIsNone(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1")
	s.Hook(func(_ string, _, m *dns.Msg) *dns.Msg {
		m.Truncated = len(m.Answer) > 0
		return m
	})
	if a, err := look(t, s); err == nil || errors.Is(err, discovery.ErrNobody) {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestNoSuchNameAndNoAddressAreNobodyAndNotAFailure(t *testing.T) {
	s := dnstest.Serve(t)
	_, err := look(t, s)
	if !errors.Is(err, discovery.ErrNobody) || !strings.Contains(err.Error(), "web.test") {
		t.Errorf("no such name: %v", err)
	}
	s.Set("web.test", "A")
	if _, err := look(t, s); !errors.Is(err, discovery.ErrNobody) {
		t.Errorf("no address: %v", err)
	}
}

func TestAServerThatFailsIsAFailureAndTheNextServerIsAsked(t *testing.T) {
	bad, good := dnstest.Serve(t), dnstest.Serve(t)
	for _, kind := range []string{"A", "AAAA"} {
		bad.Fail("web.test", kind, dns.RcodeServerFailure)
	}
	if _, err := look(t, bad); err == nil || errors.Is(err, discovery.ErrNobody) || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("one server: %v", err)
	}
	good.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1")
	both := discovery.DNS("web.test", "80", discovery.Query{Resolvers: []string{bad.Addr, good.Addr}})
	if got := found(t, both); got != "10.0.0.1:80" {
		t.Errorf("two servers: %s", got)
	}
}

func TestWhereOneFamilyFailsItsLastAnswerStandsIn(t *testing.T) {
	s := dnstest.Serve(t)
	src := source(s, "web.test")
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1")
	s.Set("web.test", "AAAA", "web.test. 60 IN AAAA fd00::1")
	if got := found(t, src); got != "10.0.0.1:80 [fd00::1]:80" {
		t.Fatal(got)
	}
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.2")
	s.Fail("web.test", "AAAA", dns.RcodeServerFailure)
	a, err := src.Look(t.Context())
	if err != nil || addrs(a.Endpoints) != "10.0.0.2:80 [fd00::1]:80" || !strings.Contains(a.Warning, "half") {
		t.Errorf("%+v, %v", a, err)
	}
	s.Set("web.test", "A")
	if _, err := src.Look(t.Context()); err == nil || errors.Is(err, discovery.ErrNobody) {
		t.Errorf("no IPv4, and IPv6 unknown: %v", err)
	}
}

func TestASilentServerEndsInAFailureSoonerIfTheCallerSaysSo(t *testing.T) {
	s := dnstest.Serve(t)
	s.Fail("web.test", "A", -1)
	s.Fail("web.test", "AAAA", -1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := source(s, "web.test").Look(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnOldServerIsAskedWithoutExtensions(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1")
	s.Hook(func(_ string, q, m *dns.Msg) *dns.Msg {
		if q.IsEdns0() != nil {
			return new(dns.Msg).SetRcodeFormatError(q)
		}
		return m
	})
	// The error has no question: such a server may leave it out.
	if got := found(t, source(s, "web.test")); got != "10.0.0.1:80" {
		t.Error(got)
	}
}

func TestAnswersThatAreNotToTheQuestionAreNotBelieved(t *testing.T) {
	for name, forge := range map[string]func(q, m *dns.Msg) *dns.Msg{
		"another name": func(q, m *dns.Msg) *dns.Msg { m.Question[0].Name = "evil.test."; return m },
		"another kind": func(q, m *dns.Msg) *dns.Msg { m.Question[0].Qtype = dns.TypeTXT; return m },
		"a question":   func(q, m *dns.Msg) *dns.Msg { m.Response = false; return m },
	} {
		s := dnstest.Serve(t)
		s.Set("web.test", "A", "web.test. 60 IN A 10.6.6.6")
		s.Hook(func(_ string, q, m *dns.Msg) *dns.Msg { return forge(q, m) })
		if a, err := look(t, s); err == nil || errors.Is(err, discovery.ErrNobody) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "evil.test. 60 IN A 10.6.6.6")
	if a, err := look(t, s); !errors.Is(err, discovery.ErrNobody) {
		t.Errorf("a record of another name: %+v, %v", a, err)
	}
}

func TestAddressesOfNobodyAreLeftOut(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 0.0.0.0", "web.test. 60 IN A 224.0.0.1", "web.test. 60 IN A 255.255.255.255", "web.test. 60 IN A 10.0.0.1")
	s.Set("web.test", "AAAA", "web.test. 60 IN AAAA ::", "web.test. 60 IN AAAA ff02::1")
	if got := found(t, source(s, "web.test")); got != "10.0.0.1:80" {
		t.Error(got)
	}
	s.Set("web.test", "A", "web.test. 60 IN A 0.0.0.0")
	if a, err := look(t, s); err == nil {
		t.Errorf("%+v", a)
	}
}

func TestAnAddressIsItsOwnAnswer(t *testing.T) {
	for host, want := range map[string]string{"10.0.0.1": "10.0.0.1:80", "fd00::1": "[fd00::1]:80", "::ffff:10.0.0.1": "10.0.0.1:80"} {
		if got := found(t, discovery.DNS(host, "80", discovery.Query{})); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := found(t, discovery.DNS("10.0.0.1", "", discovery.Query{})); got != "10.0.0.1" {
		t.Errorf("without a port: %s", got)
	}
}

func TestGarbageIsAFailure(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			garbage := append(b[:2:2], "\x81\x80\xff\xff\xff\xff\xc0\x0c\xc0\x0c rubbish"...) // its ID, and nothing else of sense
			_, _ = c.WriteTo(garbage[:min(len(garbage), n)], from)
		}
	}()
	src := discovery.DNS("web.test", "80", discovery.Query{Resolvers: []string{c.LocalAddr().String()}})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if a, err := src.Look(ctx); err == nil || errors.Is(err, discovery.ErrNobody) {
		t.Errorf("%+v, %v", a, err)
	}
	c.Close()
	<-done
}
