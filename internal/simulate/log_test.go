package simulate_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/internal/simulate"
	"github.com/spillway-lb/spillway/proxy"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// entry is a line as the proxy writes it.
func entry(at time.Duration, service, endpoint, client string, total time.Duration) string {
	r := proxy.Record{
		Time: noon.Add(at), Listener: "in", Service: service, Endpoint: endpoint, Client: netip.MustParseAddrPort(client),
		Protocol: "HTTP", Method: "GET", Host: "x", Path: `/"\`, Status: 200, Attempts: 1, Total: total,
	}
	return string(r.AppendJSON(nil))
}

func readLog(t *testing.T, text string, c simulate.Clients) *simulate.Log {
	t.Helper()
	l, err := simulate.ReadLog(strings.NewReader(text), "web", &c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALogIsReadInTheOrderInWhichRequestsBegan(t *testing.T) {
	l := readLog(t, entry(3*time.Second, "web", "b", "10.0.0.1:1", time.Millisecond)+
		entry(0, "other", "x", "10.0.0.1:1", time.Second)+
		"\n"+
		entry(time.Second, "web", "a", "10.0.0.1:1", 5*time.Second)+
		`{"time":"2026-01-02T15:04:05.000000Z","lines_dropped":7}`+"\n"+
		entry(2*time.Second, "web", "a", "10.0.0.1:1", 0), simulate.Clients{})
	want := simulate.Recording{
		{At: 0, Took: 5 * time.Second}, {At: time.Second, Took: 0}, {At: 2 * time.Second, Took: time.Millisecond},
	}
	if fmt.Sprint(l.Requests) != fmt.Sprint(want) || !l.Start.Equal(noon.Add(time.Second)) || l.Duration != 2001*time.Millisecond {
		t.Errorf("%v from %v for %v, want %v", l.Requests, l.Start, l.Duration, want)
	}
	if l.Others != 1 || l.Missing != 7 || l.Cut || l.Endpoints["a"] != 2 || l.Endpoints["b"] != 1 {
		t.Errorf("%+v", l)
	}
}

func TestALineThatIsStillBeingWrittenIsLeftOut(t *testing.T) {
	whole := entry(0, "web", "a", "10.0.0.1:1", 0)
	if l := readLog(t, whole+whole[:40], simulate.Clients{}); len(l.Requests) != 1 || !l.Cut {
		t.Errorf("%+v", l)
	}
	if l := readLog(t, strings.TrimSpace(whole), simulate.Clients{}); len(l.Requests) != 1 || l.Cut {
		t.Errorf("a whole line without its end: %+v", l)
	}
}

func TestWhatIsNoAccessLogIsRefusedByLine(t *testing.T) {
	good := entry(0, "web", "a", "10.0.0.1:1", 0)
	for name, bad := range map[string]string{
		"no JSON":       "GET / 200\n",
		"no object":     "[1]\n",
		"no time":       `{"service":"web"}` + "\n",
		"another time":  `{"time":"yesterday","service":"web"}` + "\n",
		"cut in two":    good[:50] + "\n",
		"dropped badly": `{"time":"2026-01-02T15:04:05Z","lines_dropped":"x"}` + "\n",
		"endless":       `{"time":"` + strings.Repeat("x", 5<<20) + "\n",
	} {
		_, err := simulate.ReadLog(strings.NewReader(good+bad+good), "web", &simulate.Clients{})
		if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALineMayBeLongerThanABuffer(t *testing.T) {
	long := strings.Replace(entry(0, "web", "a", "10.0.0.1:1", time.Second), "GET", strings.Repeat("x", 300_000), 1)
	if l := readLog(t, long+long, simulate.Clients{}); len(l.Requests) != 2 || l.Requests[1].Took != time.Second {
		t.Errorf("%+v", l)
	}
}

// The keys are those of the service's rule, so a replay is balanced as the traffic
// was.
func TestAClientOfALogHasTheKeyThatTheProxyGaveIt(t *testing.T) {
	rule := affinity.Rule{Kind: affinity.ClientIP, Seed: 9}
	c := simulate.Clients{Rule: rule, Listen: map[string]netip.AddrPort{"in": netip.MustParseAddrPort("192.0.2.1:80")}}
	l := readLog(t, entry(0, "web", "a", "10.0.0.7:4711", 0), c)
	want := rule.FlowKey(affinity.Flow{Src: netip.MustParseAddrPort("10.0.0.7:1"), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Proto: 6})
	if got := l.Requests[0]; !got.Keyed || got.Key != want || !c.Exact() {
		t.Errorf("%+v, want key %d", got, want)
	}
}

func TestARequestWithoutAffinityHasNoKeyUnlessThePolicyHashes(t *testing.T) {
	text := entry(0, "web", "a", "10.0.0.7:4711", 0) + entry(1, "web", "a", "10.0.0.7:4712", 0)
	if l := readLog(t, text, simulate.Clients{}); l.Requests[0].Keyed {
		t.Error("it has one")
	}
	l := readLog(t, text, simulate.Clients{Hashes: true})
	if a, b := l.Requests[0], l.Requests[1]; !a.Keyed || !b.Keyed || a.Key == b.Key {
		t.Errorf("two connections have the keys %v and %v", a, b)
	}
}

func TestUsersOfACookieAreToldApartByTheirAddress(t *testing.T) {
	c := simulate.Clients{Rule: affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid"}}}
	l := readLog(t, entry(0, "web", "a", "10.0.0.7:1", 0)+entry(1, "web", "a", "10.0.0.7:2", 0)+entry(2, "web", "a", "10.0.0.8:2", 0), c)
	if r := l.Requests; r[0].Key != r[1].Key || r[0].Key == r[2].Key || !r[0].Keyed || c.Exact() {
		t.Errorf("%v", r)
	}
	keys := c.Keys(1000, "in")
	seen := make(map[uint64]bool)
	for _, k := range keys {
		seen[k] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 clients have %d keys", len(seen))
	}
}

func FuzzALogIsReadOrRefused(f *testing.F) {
	f.Add([]byte(entry(0, "web", "a", "10.0.0.1:1", time.Second) + entry(-time.Hour, "web", "a", "10.0.0.1:1", time.Second)))
	f.Add([]byte(`{"time":"2026-01-02T15:04:05Z","service":"web","client":"?","total":-1}` + "\n{"))
	f.Add([]byte(`{"time":"0000-01-02T15:04:05Z","service":"web"}` + "\n" + `{"time":"9999-01-02T15:04:05Z","service":"web","total":1e300}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := simulate.ReadLog(bytes.NewReader(b), "web", &simulate.Clients{Hashes: true})
		if err != nil {
			return
		}
		var last time.Duration
		for _, a := range l.Requests {
			if a.At < last || a.At > l.Duration {
				t.Fatalf("%v after %v, of %v", a.At, last, l.Duration)
			}
			last = a.At
		}
	})
}
