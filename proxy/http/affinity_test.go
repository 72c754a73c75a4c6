package http_test

import (
	"fmt"
	nethttp "net/http"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// startHashing is a proxy with MAGLEV over eight endpoints.
func startHashing(t *testing.T, d driver, rule affinity.Rule, options ...option) *bench {
	t.Helper()
	hashes := withService(func(s *proxy.Service) { s.Affinity, s.Hashes = rule, true })
	return startEight(t, d, balance.Maglev(0), append([]option{hashes}, options...)...)
}

// startEight is a proxy in front of eight endpoints, "0" to "7", each of which says
// who it is.
func startEight(t *testing.T, d driver, policy balance.Policy, options ...option) *bench {
	t.Helper()
	var addrs []string
	for i := range 8 {
		addrs = append(addrs, endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, i) }))
	}
	b := d.start(t, addrs, options...)
	b.setPolicy(policy)
	return b
}

// ask sends one request with these header lines on a connection of its own.
func (b *bench) ask(header string) (*nethttp.Response, string) {
	b.t.Helper()
	c := b.dial().send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + header + "\r\n")
	return c.response("GET")
}

// many requests whose keys are chance reach fewer than six of eight endpoints less than
// once in ten thousand million runs.
const many = 64

// reaches counts how many endpoints n requests reach; header(i) is the i-th's.
func (b *bench) reaches(n int, header func(i int) string) int {
	b.t.Helper()
	seen := make(map[string]bool)
	for i := range n {
		_, who := b.ask(header(i))
		seen[who] = true
	}
	return len(seen)
}

func headerFieldKeepsAUserOnOneEndpoint(t *testing.T, d driver) {
	b := startHashing(t, d, affinity.Rule{Kind: affinity.HeaderField, Header: "X-User"})
	if n := b.reaches(20, func(int) string { return "x-user: alice\r\n" }); n != 1 {
		t.Errorf("one user reached %d endpoints", n)
	}
	if n := b.reaches(40, func(i int) string { return fmt.Sprintf("X-User: u%d\r\n", i) }); n < 6 {
		t.Errorf("40 users reached %d of 8 endpoints", n)
	}
	if n := b.reaches(many, func(int) string { return "" }); n < 6 {
		t.Errorf("%d requests without the header reached %d of 8 endpoints", many, n)
	}
}

func generatedCookieIsSetOnceAndObeyed(t *testing.T, d driver) {
	b := startHashing(t, d, affinity.Rule{Kind: affinity.GeneratedCookie, Service: "web"})
	resp, who := b.ask("")
	set := resp.Cookies()
	if len(set) != 1 || set[0].Name != "GCILB" || set[0].Path != "/" || !set[0].HttpOnly || set[0].MaxAge != 0 || !set[0].Expires.IsZero() {
		t.Fatalf("Set-Cookie: %q", resp.Header["Set-Cookie"])
	}
	for range 10 {
		resp, again := b.ask("Cookie: other=1; GCILB=" + set[0].Value + "\r\n")
		if again != who {
			t.Fatalf("went to %s, then to %s", who, again)
		}
		if len(resp.Cookies()) != 0 {
			t.Fatal("the cookie was set again")
		}
	}
	values := make(map[string]bool)
	if n := b.reaches(many, func(int) string { return "" }); n < 6 {
		t.Errorf("%d new clients reached %d of 8 endpoints", many, n)
	}
	for range 5 {
		resp, _ := b.ask("")
		values[resp.Cookies()[0].Value] = true
	}
	if len(values) != 5 {
		t.Error("two clients got the same cookie")
	}
}

func httpCookieHasTheFilesAttributes(t *testing.T, d driver) {
	b := startHashing(t, d, affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid", Path: "/app", TTL: time.Hour}})
	resp, _ := b.ask("")
	c := resp.Cookies()[0]
	if c.Name != "sid" || c.Path != "/app" || c.MaxAge != 3600 || c.Expires.IsZero() {
		t.Errorf("Set-Cookie: %q", resp.Header["Set-Cookie"])
	}
	if n := b.reaches(10, func(int) string { return "Cookie: sid=mine\r\n" }); n != 1 {
		t.Errorf("a cookie of the client's own reached %d endpoints", n)
	}
}

func clientIPLooksThroughTrustedProxiesOnly(t *testing.T, d driver) {
	rule := affinity.Rule{Kind: affinity.ClientIP}
	forged := func(i int) string { return fmt.Sprintf("X-Forwarded-For: 9.9.9.%d\r\n", i) }
	if n := startHashing(t, d, rule).reaches(20, forged); n != 1 {
		t.Errorf("one client reached %d endpoints by what it wrote into X-Forwarded-For", n)
	}
	b := startHashing(t, d, rule, withSettings(func(s *proxyhttp.Settings) { s.TrustedProxies = loopback }))
	if n := b.reaches(40, forged); n < 6 {
		t.Errorf("40 clients behind a trusted proxy reached %d of 8 endpoints", n)
	}
	if n := b.reaches(20, func(i int) string { return fmt.Sprintf("X-Forwarded-For: 6.6.6.%d, 9.9.9.9\r\n", i) }); n != 1 {
		t.Errorf("a client behind a trusted proxy reached %d endpoints by forging", n)
	}
}

func noAffinityHashesTheConnection(t *testing.T, d driver) {
	b := startHashing(t, d, affinity.Rule{})
	if n := b.reaches(many, func(int) string { return "" }); n < 6 {
		t.Errorf("%d connections reached %d of 8 endpoints", many, n)
	}
	c, seen := b.dial(), make(map[string]bool)
	for range 10 {
		_, who := c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
		seen[who] = true
	}
	if len(seen) != 1 {
		t.Errorf("one connection reached %d endpoints", len(seen))
	}
}
