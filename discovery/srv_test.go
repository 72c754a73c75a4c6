package discovery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/dnstest"
)

const service = "_http._tcp.web.test"

// serveSRV serves records "priority weight port target" and addresses for a.test to
// d.test, 10.0.0.1 to 10.0.0.4.
func serveSRV(t *testing.T, records ...string) (*dnstest.Server, discovery.Source) {
	t.Helper()
	s := dnstest.Serve(t)
	for i, host := range []string{"a.test", "b.test", "c.test", "d.test"} {
		s.Set(host, "A", fmt.Sprintf("%s. 60 IN A 10.0.0.%d", host, i+1))
	}
	setSRV(s, records...)
	return s, discovery.SRV(service, discovery.Query{Resolvers: []string{s.Addr}})
}

func setSRV(s *dnstest.Server, records ...string) {
	lines := make([]string, len(records))
	for i, r := range records {
		lines[i] = service + ". 60 IN SRV " + r
	}
	s.Set(service, "SRV", lines...)
}

// described lists endpoints as "priority/weight address".
func described(all []discovery.Endpoint) string {
	var out []string
	for _, e := range all {
		out = append(out, fmt.Sprintf("%d/%d %s", e.Priority, e.Weight, e.Addr))
	}
	return strings.Join(out, ", ")
}

func TestEachTargetIsAnEndpointWithItsPortWeightAndPriority(t *testing.T) {
	for name, c := range map[string]struct {
		records []string
		want    string
	}{
		"one":                      {[]string{"0 5 8080 a.test."}, "0/1 10.0.0.1:8080"},
		"weights":                  {[]string{"0 20 80 a.test.", "0 60 80 b.test."}, "0/1 10.0.0.1:80, 0/3 10.0.0.2:80"},
		"all weights 0":            {[]string{"0 0 80 a.test.", "0 0 80 b.test."}, "0/1 10.0.0.1:80, 0/1 10.0.0.2:80"},
		"a weight of 0 counts 1":   {[]string{"0 0 80 a.test.", "0 99 80 b.test."}, "0/1 10.0.0.1:80, 0/99 10.0.0.2:80"},
		"weights beyond 1000":      {[]string{"0 65535 80 a.test.", "0 6553 80 b.test.", "0 1 80 c.test."}, "0/1000 10.0.0.1:80, 0/100 10.0.0.2:80, 0/1 10.0.0.3:80"},
		"priorities":               {[]string{"20 1 80 b.test.", "10 7 80 a.test."}, "10/1 10.0.0.1:80, 20/1 10.0.0.2:80"},
		"one host, two ports":      {[]string{"0 1 81 a.test.", "0 1 80 a.test."}, "0/1 10.0.0.1:80, 0/1 10.0.0.1:81"},
		"twice the same":           {[]string{"0 1 80 a.test.", "0 2 80 a.test.", "0 1 80 b.test."}, "0/3 10.0.0.1:80, 0/1 10.0.0.2:80"},
		"the same, later as well":  {[]string{"0 1 80 a.test.", "5 9 80 a.test."}, "0/1 10.0.0.1:80"},
		"port 0 is nobody's":       {[]string{"0 1 0 a.test.", "0 1 80 b.test."}, "0/1 10.0.0.2:80"},
		"target is an address":     {[]string{"0 1 80 10.0.0.9."}, "0/1 10.0.0.9:80"},
		"case of names is nothing": {[]string{"0 1 80 A.Test."}, "0/1 10.0.0.1:80"},
	} {
		t.Run(name, func(t *testing.T) {
			_, src := serveSRV(t, c.records...)
			a, err := src.Look(t.Context())
			if err != nil || described(a.Endpoints) != c.want || a.Warning != "" {
				t.Errorf("%s, %q, %v; want %s", described(a.Endpoints), a.Warning, err, c.want)
			}
		})
	}
}

func TestATargetOfSeveralAddressesDividesItsWeight(t *testing.T) {
	s, src := serveSRV(t, "0 1 80 a.test.", "0 1 80 b.test.")
	s.Set("a.test", "A", "a.test. 60 IN A 10.0.0.1", "a.test. 60 IN A 10.0.1.1", "a.test. 5 IN A 10.0.2.1")
	a, err := src.Look(t.Context())
	if want := "0/1 10.0.0.1:80, 0/1 10.0.1.1:80, 0/1 10.0.2.1:80, 0/3 10.0.0.2:80"; err != nil || described(a.Endpoints) != want || a.TTL != 5*time.Second {
		t.Errorf("%s, %v, %v; want %s", described(a.Endpoints), a.TTL, err, want)
	}
}

func TestATargetThatCannotBeAskedForKeepsItsAddresses(t *testing.T) {
	for name, breaks := range map[string]func(*dnstest.Server){
		"fails":       func(s *dnstest.Server) { s.Fail("b.test", "A", dns.RcodeServerFailure) },
		"has nothing": func(s *dnstest.Server) { s.Set("b.test", "A") },
	} {
		t.Run(name, func(t *testing.T) {
			s, src := serveSRV(t, "0 1 80 a.test.", "0 1 80 b.test.")
			found(t, src)
			breaks(s)
			a, err := src.Look(t.Context())
			if err != nil || addrs(a.Endpoints) != "10.0.0.1:80 10.0.0.2:80" || !strings.Contains(a.Warning, "b.test") {
				t.Errorf("%+v, %v", a, err)
			}
			setSRV(s, "0 1 80 a.test.")
			if got := found(t, src); got != "10.0.0.1:80" {
				t.Errorf("when the target is gone: %s", got)
			}
			setSRV(s, "0 1 80 a.test.", "0 1 80 b.test.")
			if got := found(t, src); got != "10.0.0.1:80" {
				t.Errorf("what was gone is not remembered: %s", got)
			}
		})
	}
}

func TestNoServiceIsNobody(t *testing.T) {
	for name, records := range map[string][]string{"no record": {}, "decidedly none": {"0 0 0 ."}} {
		_, src := serveSRV(t, records...)
		if a, err := src.Look(t.Context()); !errors.Is(err, discovery.ErrNobody) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	s, src := serveSRV(t, "0 1 80 none.test.")
	if a, err := src.Look(t.Context()); !errors.Is(err, discovery.ErrNobody) {
		t.Errorf("no target: %+v, %v", a, err)
	}
	s.Fail(service, "SRV", dns.RcodeRefused)
	if a, err := src.Look(t.Context()); err == nil || errors.Is(err, discovery.ErrNobody) {
		t.Errorf("refused: %+v, %v", a, err)
	}
}

func TestAHugeAnswerIsCutForEverybodyAtTheSamePlace(t *testing.T) {
	var records []string
	for i := range 300 {
		records = append(records, fmt.Sprintf("%d 1 80 10.0.%d.%d.", i, i/250, i%250+1))
	}
	_, src := serveSRV(t, records...)
	a, err := src.Look(t.Context())
	if err != nil || len(a.Endpoints) != 256 || !strings.Contains(a.Warning, "300 targets") {
		t.Fatalf("%d endpoints, %q, %v", len(a.Endpoints), a.Warning, err)
	}
	if last := a.Endpoints[255]; last.Priority != 255 {
		t.Errorf("the last one is %+v, want the lowest priorities to be kept", last)
	}
}

func TestTargetsOfManyAddressesAreNotMoreEndpointsThanOneName(t *testing.T) {
	var records []string
	for i := range 256 {
		records = append(records, fmt.Sprintf("%d 1 80 t%d.test.", i, i))
	}
	s, src := serveSRV(t, records...)
	for i := range 256 {
		var lines []string
		for j := range 20 {
			lines = append(lines, fmt.Sprintf("t%d.test. 60 IN A 10.1.%d.%d", i, i, j+1))
		}
		s.Set(fmt.Sprintf("t%d.test", i), "A", lines...)
	}
	a, err := src.Look(t.Context())
	if err != nil || len(a.Endpoints) != 4096 || !strings.Contains(a.Warning, "5120 addresses") {
		t.Fatalf("%d endpoints, %q, %v", len(a.Endpoints), a.Warning, err)
	}
	if last := a.Endpoints[4095]; last.Priority != 204 {
		t.Errorf("the last one is %+v, want the first priorities to be kept", last)
	}
}
