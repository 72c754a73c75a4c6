package http_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

var strongPromises = []promise{
	{"a strong cookie binds a client whatever the policy", strongCookieBindsAClientWhateverThePolicy},
	{"a strong cookie that is worth nothing is as none", strongCookieThatIsWorthNothingIsAsNone},
	{"a strong session moves once when its endpoint cannot be had", strongSessionMovesOnceWhenItsEndpointCannotBeHad},
	{"a strong session moves to the attempt that answered", strongSessionMovesToTheAttemptThatAnswered},
	{"a strict session has its endpoint or 503", strictSessionHasItsEndpointOr503},
	{"a strict session is not tried elsewhere", strictSessionIsNotTriedElsewhere},
	{"a drain keeps strong sessions and renews none", drainKeepsStrongSessionsAndRenewsNone},
	{"an aging strong cookie is issued anew", agingStrongCookieIsIssuedAnew},
	{"a strong cookie is for the paths below its own", strongCookieIsForThePathsBelowItsOwn},
	{"a strong cookie is set with an upgrade", strongCookieIsSetWithAnUpgrade},
	{"an answer of our own binds nobody", answerOfOurOwnBindsNobody},
	{"a strong cookie is set once by whatever answers", strongCookieIsSetOnceByWhateverAnswers},
}

func TestStrongAffinity(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, d driver) { sideBySide(t, d, strongPromises) })
}

// strongRule is one of a service called web.
func strongRule(t testing.TB, keys ...affinity.Key) affinity.Rule {
	t.Helper()
	if len(keys) == 0 {
		keys = []affinity.Key{{1}}
	}
	ring, err := affinity.NewKeyring(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return affinity.Rule{Kind: affinity.StrongCookie, Service: "web", Keys: ring, Cookie: affinity.Cookie{TTL: time.Hour}}
}

// startStrong is a proxy with ROUND_ROBIN over eight endpoints.
func startStrong(t *testing.T, d driver, rule affinity.Rule, options ...option) *bench {
	t.Helper()
	binds := withService(func(s *proxy.Service) { s.Affinity = rule })
	return startEight(t, d, balance.RoundRobin(), append([]option{binds}, options...)...)
}

// endpoints are those of the bench, by number.
func (b *bench) endpoints() (all []balance.Endpoint) {
	for i, a := range b.addrs {
		all = append(all, balance.Endpoint{ID: fmt.Sprint(i), Addr: a})
	}
	return all
}

func (b *bench) setPolicy(p balance.Policy) {
	b.t.Helper()
	if err := b.balancer.SetOptions(lb.Options{Policy: p, Endpoints: b.endpoints()}); err != nil {
		b.t.Fatal(err)
	}
}

// setEndpoints replaces the endpoints.
func (b *bench) setEndpoints(e []balance.Endpoint) {
	b.t.Helper()
	if err := b.balancer.SetOptions(lb.Options{Endpoints: e}); err != nil {
		b.t.Fatal(err)
	}
}

// a visitor keeps the cookie that it is given, as browsers do.
type visitor struct {
	*bench
	jar string // "Cookie: …\r\n", or nothing
	set int    // cookies that it was given
}

// visit makes a request and returns who has answered.
func (v *visitor) visit() string {
	v.t.Helper()
	resp, who := v.ask(v.jar)
	if resp.StatusCode != 200 {
		v.t.Fatalf("status %d: %s", resp.StatusCode, who)
	}
	for _, c := range resp.Cookies() {
		if c.Secure != v.driver.tls || !c.HttpOnly || c.MaxAge != int(v.service.Affinity.Cookie.TTL.Seconds()) || c.Expires.IsZero() || c.SameSite != 0 {
			v.t.Errorf("Set-Cookie: %v", c)
		}
		v.jar = "Cookie: lang=en; " + c.Name + "=" + c.Value + "\r\n"
		v.set++
	}
	return who
}

// cookies says how many requests came to each result.
func (b *bench) cookies() map[string]uint64 {
	counts := make(map[string]uint64)
	for i, name := range proxy.CookieResults {
		if n := b.service.Stats.Cookies[i].Load(); n > 0 {
			counts[name] = n
		}
	}
	return counts
}

func (b *bench) wantCookies(want string) {
	b.t.Helper()
	if got := fmt.Sprint(b.cookies()); got != "map["+want+"]" {
		b.t.Errorf("results %v, want %v", got, want)
	}
}

// sessionOn is the header of a client that is bound to an endpoint.
func sessionOn(rule affinity.Rule, endpoint string, at time.Time) string {
	line := string(rule.AppendSetSession(nil, endpoint, at, false))
	pair, _, _ := strings.Cut(line, ";")
	return "Cookie: " + pair + "\r\n"
}

func strongCookieBindsAClientWhateverThePolicy(t *testing.T, d driver) {
	for name, policy := range map[string]balance.Policy{"ROUND_ROBIN": balance.RoundRobin(), "LEAST_REQUEST": balance.LeastRequest(2, 1), "MAGLEV": balance.Maglev(0)} {
		b := startStrong(t, d, strongRule(t), withService(func(s *proxy.Service) { s.Hashes = name == "MAGLEV" }))
		b.setPolicy(policy)
		v := &visitor{bench: b}
		who := v.visit()
		for range 10 {
			if again := v.visit(); again != who {
				t.Fatalf("%s: went to %s, then to %s", name, who, again)
			}
		}
		if v.set != 1 {
			t.Errorf("%s: the cookie was set %d times", name, v.set)
		}
		b.wantCookies("hit:10 miss:1")
	}
}

func strongCookieThatIsWorthNothingIsAsNone(t *testing.T, d driver) {
	rule, other, foreign := strongRule(t), strongRule(t), strongRule(t, affinity.Key{2})
	other.Service = "api"
	b := startStrong(t, d, rule, withSettings(func(s *proxyhttp.Settings) { s.MaxHeaderBytes = 2 << 20 }))
	good := strings.TrimSuffix(strings.TrimPrefix(sessionOn(rule, "3", time.Now()), "Cookie: SPILLWAY="), "\r\n")
	for name, value := range map[string]string{
		"forged":             "3",
		"truncated":          good[:len(good)-2],
		"1 MiB":              good + strings.Repeat("A", 1<<20),
		"of another service": sessionOn(other, "3", time.Now())[len("Cookie: SPILLWAY="):],
		"of another key":     sessionOn(foreign, "3", time.Now())[len("Cookie: SPILLWAY="):],
		"expired":            sessionOn(rule, "3", time.Now().Add(-2*time.Hour))[len("Cookie: SPILLWAY="):],
	} {
		header := "Cookie: SPILLWAY=" + strings.TrimSuffix(value, "\r\n") + "\r\n"
		seen := make(map[string]bool)
		for range 8 {
			resp, who := b.ask(header)
			if resp.StatusCode != 200 || len(resp.Cookies()) != 1 {
				t.Fatalf("%s: status %d, cookies %v", name, resp.StatusCode, resp.Cookies())
			}
			seen[who] = true
		}
		if len(seen) != 8 {
			t.Errorf("%s: eight requests in turn reached %d endpoints", name, len(seen))
		}
	}
	b.wantCookies("expired:8 invalid:40")
	for range 8 { // and the good one is good, twice as well
		if _, who := b.ask("Cookie: SPILLWAY=junk; SPILLWAY=" + good + "; SPILLWAY=" + good + "\r\n"); who != "3" {
			t.Fatalf("went to %s", who)
		}
	}
}

func strongSessionMovesOnceWhenItsEndpointCannotBeHad(t *testing.T, d driver) {
	for name, befalls := range map[string]func(b *bench, id string) error{
		"removed":   func(b *bench, id string) error { b.setEndpoints(without(b.endpoints(), id)); return nil },
		"unhealthy": func(b *bench, id string) error { return b.balancer.SetHealth(id, health.Unhealthy, "down") },
		"down":      func(b *bench, id string) error { return b.balancer.SetAdmin(id, lb.Down) },
	} {
		b := startStrong(t, d, strongRule(t))
		visitors, on := make([]visitor, 16), make([]string, 16)
		for i := range visitors {
			visitors[i].bench = b
			on[i] = visitors[i].visit()
		}
		if err := befalls(b, on[0]); err != nil {
			t.Fatal(err)
		}
		for i := range visitors {
			v := &visitors[i]
			next := v.visit()
			if moved := next != on[i]; moved != (on[i] == on[0]) {
				t.Errorf("%s: a session on %s went to %s when %s was", name, on[i], next, on[0])
			}
			if again := v.visit(); again != next || v.set > 2 {
				t.Errorf("%s: a session moved twice: %s, %s, %s", name, on[i], next, again)
			}
		}
		b.wantCookies("hit:30 miss:16 moved:2")
	}
}

func without(all []balance.Endpoint, id string) (rest []balance.Endpoint) {
	for _, e := range all {
		if e.ID != id {
			rest = append(rest, e)
		}
	}
	return rest
}

func strongSessionMovesToTheAttemptThatAnswered(t *testing.T, d driver) {
	rule := strongRule(t)
	b := startStrong(t, d, rule)
	dead := append(without(b.endpoints(), "3"), balance.Endpoint{ID: "3", Addr: closedPort(t)})
	b.setEndpoints(dead)
	v := &visitor{bench: b, jar: sessionOn(rule, "3", time.Now())}
	who := v.visit()
	if who == "3" || v.set != 1 {
		t.Fatalf("answered by %s, %d cookies", who, v.set)
	}
	for range 8 {
		if again := v.visit(); again != who {
			t.Fatalf("went to %s, then to %s", who, again)
		}
	}
	b.wantCookies("hit:8 moved:1")
}

func strictSessionHasItsEndpointOr503(t *testing.T, d driver) {
	rule := strongRule(t)
	rule.Strict = true
	for name, befalls := range map[string]func(b *bench) error{
		"removed":   func(b *bench) error { b.setEndpoints(without(b.endpoints(), "3")); return nil },
		"unhealthy": func(b *bench) error { return b.balancer.SetHealth("3", health.Unhealthy, "down") },
		"down":      func(b *bench) error { return b.balancer.SetAdmin("3", lb.Down) },
	} {
		b := startStrong(t, d, rule)
		session := sessionOn(rule, "3", time.Now())
		if _, who := b.ask(session); who != "3" {
			t.Fatalf("%s: went to %s", name, who)
		}
		if err := befalls(b); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			resp, body := b.ask(session)
			if resp.StatusCode != 503 || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_unavailable") || len(resp.Cookies()) > 0 {
				t.Fatalf("%s: got %d %q %v", name, resp.StatusCode, body, resp.Header)
			}
		}
		b.setEndpoints(b.endpoints())
		_ = b.balancer.SetHealth("3", health.Healthy, "")
		_ = b.balancer.SetAdmin("3", lb.Ready)
		if _, who := b.ask(session); who != "3" {
			t.Errorf("%s, and well again: went to %s", name, who)
		}
		if resp, _ := b.ask("Cookie: SPILLWAY=junk\r\n"); resp.StatusCode != 200 {
			t.Errorf("a client without a session: %d", resp.StatusCode)
		}
		b.wantCookies("hit:2 invalid:1 refused:8")
	}
}

func strictSessionIsNotTriedElsewhere(t *testing.T, d driver) {
	rule := strongRule(t)
	rule.Strict = true
	b := startStrong(t, d, rule)
	b.setEndpoints(append(without(b.endpoints(), "3"), balance.Endpoint{ID: "3", Addr: closedPort(t)}))
	for range 4 {
		if resp, body := b.ask(sessionOn(rule, "3", time.Now())); resp.StatusCode != 502 || len(resp.Cookies()) > 0 {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
	b.wantCookies("")
}

func drainKeepsStrongSessionsAndRenewsNone(t *testing.T, d driver) {
	rule := strongRule(t)
	b := startStrong(t, d, rule)
	if err := b.balancer.SetAdmin("3", lb.Drain); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		resp, who := b.ask(sessionOn(rule, "3", time.Now().Add(-50*time.Minute)))
		if who != "3" || len(resp.Cookies()) > 0 {
			t.Fatalf("went to %s, and was given %v", who, resp.Cookies())
		}
		if _, who := b.ask(""); who == "3" {
			t.Fatal("a drained endpoint got a new session")
		}
	}
}

func agingStrongCookieIsIssuedAnew(t *testing.T, d driver) {
	old, rotated := strongRule(t, affinity.Key{1}), strongRule(t, affinity.Key{2}, affinity.Key{1})
	for name, c := range map[string]struct {
		by  affinity.Rule
		age time.Duration
		set int
	}{
		"young":           {rotated, 20 * time.Minute, 0},
		"aging":           {rotated, 40 * time.Minute, 1},
		"of an older key": {old, 0, 1},
	} {
		b := startStrong(t, d, rotated)
		v := &visitor{bench: b, jar: sessionOn(c.by, "3", time.Now().Add(-c.age))}
		if who := v.visit(); who != "3" || v.set != c.set {
			t.Errorf("%s: went to %s, and was given %d cookies, want %d", name, who, v.set, c.set)
		}
		if before := v.set; v.visit() != "3" || v.set != before {
			t.Errorf("%s: and then it moved, or got another", name)
		}
	}
}

func strongCookieIsForThePathsBelowItsOwn(t *testing.T, d driver) {
	rule := strongRule(t)
	rule.Cookie.Path = "/app"
	b := startStrong(t, d, rule)
	get := func(path string) (*nethttp.Response, string) {
		return b.dial().send("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + sessionOn(rule, "3", time.Now()) + "\r\n").response("GET")
	}
	for range 8 {
		if _, who := get("/app/x?y"); who != "3" {
			t.Fatalf("went to %s", who)
		}
	}
	seen := make(map[string]bool)
	for range 8 {
		resp, who := get("/application")
		if len(resp.Cookies()) > 0 {
			t.Fatalf("a cookie that the client would not send here: %v", resp.Cookies())
		}
		seen[who] = true
	}
	if len(seen) != 8 {
		t.Errorf("eight requests elsewhere reached %d endpoints", len(seen))
	}
	b.wantCookies("hit:8")
}

func strongCookieIsSetWithAnUpgrade(t *testing.T, d driver) {
	b := d.start(t, []string{upgrading(t, "", echo)}, withService(func(s *proxy.Service) { s.Affinity = strongRule(t) }))
	resp, _ := b.dial().send(asking).response("GET")
	if resp.StatusCode != 101 || len(resp.Cookies()) != 1 {
		t.Errorf("got %d with cookies %v, want one", resp.StatusCode, resp.Cookies())
	}
}

func answerOfOurOwnBindsNobody(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t)}, withService(func(s *proxy.Service) { s.Affinity = strongRule(t) }))
	if resp, _ := b.ask(""); resp.StatusCode != 502 || len(resp.Cookies()) > 0 {
		t.Errorf("got %d with cookies %v", resp.StatusCode, resp.Cookies())
	}
}
