package affinity_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

// ring makes a keyring of keys that are told by a byte each.
func ring(t testing.TB, keys ...byte) *affinity.Keyring {
	t.Helper()
	all := make([]affinity.Key, len(keys))
	for i, k := range keys {
		all[i] = affinity.Key{k}
	}
	r, err := affinity.NewKeyring(all...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func strong(t testing.TB, service string, ttl time.Duration, keys ...byte) *affinity.Rule {
	t.Helper()
	r := &affinity.Rule{Kind: affinity.StrongCookie, Service: service, Keys: ring(t, keys...), Cookie: affinity.Cookie{TTL: ttl}}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// sealed is the value of the cookie that rule sets for an endpoint.
func sealed(t testing.TB, rule *affinity.Rule, endpoint string, at time.Time) string {
	t.Helper()
	line := string(rule.AppendSetSession(nil, endpoint, at, false))
	_, rest, ok := strings.Cut(line, rule.CookieName()+"=")
	value, _, _ := strings.Cut(rest, ";")
	if !ok || value == "" {
		t.Fatalf("Set-Cookie: %q", line)
	}
	return value
}

func opened(rule *affinity.Rule, at time.Time, cookies ...string) affinity.Session {
	s, _ := rule.Session(nil, lines(cookies...), at)
	return s
}

func TestAStrongCookieNamesItsEndpoint(t *testing.T) {
	rule := strong(t, "web", time.Hour, 1)
	for _, endpoint := range []string{"a", "10.0.0.1:80", "[2001:db8::1]:443", "unix:/run/web.sock", strings.Repeat("x", 1024)} {
		s := opened(rule, now.Add(time.Minute), "lang=en; SPILLWAY="+sealed(t, rule, endpoint, now)+"; theme=dark")
		if s.State != affinity.SessionValid || string(s.Endpoint) != endpoint || s.Issued.Unix() != now.Unix() || s.Aging {
			t.Errorf("%.20s: %+v", endpoint, s)
		}
	}
	for _, endpoint := range []string{"", strings.Repeat("x", 1025)} {
		if line := rule.AppendSetSession(nil, endpoint, now, false); len(line) > 0 {
			t.Errorf("an ID of %d bytes is set: %.40s…", len(endpoint), line)
		}
	}
}

func TestAStrongCookieTellsNothing(t *testing.T) {
	// Words so long that no cookie has them by chance. Three letters are in one of a
	// hundred cookies every twentieth time.
	rule := strong(t, "accounting", time.Hour, 1)
	seen, lengths := make(map[string]bool), make(map[int]bool)
	for i := range 100 {
		value := sealed(t, rule, fmt.Sprintf("10.0.0.%d:8080", i), now)
		raw, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"10.0.0.", "accounting", ":8080"} {
			if strings.Contains(string(raw), secret) || strings.Contains(value, secret) {
				t.Fatalf("%q is in %q", secret, value)
			}
		}
		seen[value], lengths[len(value)] = true, true
	}
	if len(lengths) != 1 {
		t.Error("the length of an ID can be told from its cookie")
	}
	if one, other := sealed(t, rule, "a", now), sealed(t, rule, "a", now); one == other || len(seen) != 100 {
		t.Error("who has the same endpoint can be told from cookies")
	}
}

func TestWhatAStrongCookieIsWorth(t *testing.T) {
	const ttl = time.Hour
	rule := strong(t, "web", ttl, 2, 1)
	good := sealed(t, rule, "a", now)
	flip := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 1
		return string(b)
	}
	for _, c := range []struct {
		name   string
		cookie string
		at     time.Duration // after it was issued
		want   affinity.SessionState
	}{
		{"good", good, 0, affinity.SessionValid},
		{"in its last second", good, ttl - time.Second, affinity.SessionValid},
		{"expired", good, ttl, affinity.SessionExpired},
		{"from a clock that is a little ahead", good, -time.Minute, affinity.SessionValid},
		{"from the future", good, -time.Hour, affinity.SessionExpired},
		{"of an older key", sealed(t, strong(t, "web", ttl, 1), "a", now), 0, affinity.SessionValid},
		{"of another key", sealed(t, strong(t, "web", ttl, 3), "a", now), 0, affinity.SessionUnknownKey},
		{"of another service", sealed(t, strong(t, "api", ttl, 2), "a", now), 0, affinity.SessionOtherService},
		{"truncated", good[:len(good)-1], 0, affinity.SessionInvalid},
		{"extended", good + "AAAA", 0, affinity.SessionInvalid},
		{"bit-flipped in its version", flip(good, 0), 0, affinity.SessionInvalid},
		{"bit-flipped in its key id", flip(good, 3), 0, affinity.SessionUnknownKey},
		{"bit-flipped in its nonce", flip(good, 20), 0, affinity.SessionInvalid},
		{"bit-flipped in what is sealed", flip(good, 60), 0, affinity.SessionInvalid},
		{"bit-flipped in its tag", flip(good, len(good)-3), 0, affinity.SessionInvalid},
		{"forged", "10.0.0.1:80", 0, affinity.SessionInvalid},
		{"of Envoy", "MTAuMC4wLjE6ODA=", 0, affinity.SessionInvalid},
		{"1 MiB", strings.Repeat("A", 1<<20), 0, affinity.SessionInvalid},
		{"1 MiB behind a good one", good + strings.Repeat("A", 1<<20), 0, affinity.SessionInvalid},
		{"not base64", good[:40] + "*" + good[41:], 0, affinity.SessionInvalid},
		{"quoted", `"` + good + `"`, 0, affinity.SessionInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := opened(rule, now.Add(c.at), "SPILLWAY="+c.cookie)
			if s.State != c.want {
				t.Fatalf("%v, want %v", s.State, c.want)
			}
			if s.State == affinity.SessionValid && string(s.Endpoint) != "a" {
				t.Errorf("endpoint %q", s.Endpoint)
			}
		})
	}
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	for i := range 8 * len(raw) {
		raw[i/8] ^= 1 << (i % 8)
		if s := opened(rule, now, "SPILLWAY="+base64.RawURLEncoding.EncodeToString(raw)); s.State == affinity.SessionValid {
			t.Errorf("valid with bit %d flipped", i)
		}
		raw[i/8] ^= 1 << (i % 8)
	}
	for _, none := range []string{"", "spillway=" + good, "SPILLWAY", "SPILLWAY=", "XSPILLWAY=" + good} {
		if s := opened(rule, now, none); s.State != affinity.SessionNone {
			t.Errorf("%.20q: %v", none, s.State)
		}
	}
}

func TestOfSeveralStrongCookiesTheFirstValidOneCounts(t *testing.T) {
	rule := strong(t, "web", time.Hour, 1)
	a, b := "SPILLWAY="+sealed(t, rule, "a", now), "SPILLWAY="+sealed(t, rule, "b", now)
	old := "SPILLWAY=" + sealed(t, rule, "old", now.Add(-2*time.Hour))
	other := "SPILLWAY=" + sealed(t, strong(t, "api", time.Hour, 1), "c", now)
	for _, c := range []struct {
		name     string
		lines    []string
		state    affinity.SessionState
		endpoint string
	}{
		{"duplicated", []string{a + "; " + a}, affinity.SessionValid, "a"},
		{"two", []string{a + "; " + b}, affinity.SessionValid, "a"},
		{"behind those of others", []string{other + "; SPILLWAY=junk", old + "; " + b}, affinity.SessionValid, "b"},
		{"expired beside junk", []string{old + "; SPILLWAY=junk", other}, affinity.SessionExpired, "old"},
		{"another service's beside junk", []string{"SPILLWAY=junk; " + other}, affinity.SessionOtherService, ""},
		{"behind eight that are not", []string{strings.Repeat("SPILLWAY=junk; ", 8) + a}, affinity.SessionInvalid, ""},
	} {
		if s := opened(rule, now, c.lines...); s.State != c.state || string(s.Endpoint) != c.endpoint {
			t.Errorf("%s: %v, endpoint %q", c.name, s.State, s.Endpoint)
		}
	}
}

func TestAnAgingStrongCookieIsToBeIssuedAnew(t *testing.T) {
	for _, ttl := range []time.Duration{time.Hour, 0} {
		rule, life := strong(t, "web", ttl, 2, 1), ttl
		if ttl == 0 {
			life = affinity.MaxSessionTTL
		}
		value := "SPILLWAY=" + sealed(t, rule, "a", now)
		if s := opened(rule, now.Add(life/2-time.Second), value); s.State != affinity.SessionValid || s.Aging {
			t.Errorf("ttl %v, in its first half: %+v", ttl, s)
		}
		if s := opened(rule, now.Add(life/2+time.Second), value); s.State != affinity.SessionValid || !s.Aging {
			t.Errorf("ttl %v, in its second half: %+v", ttl, s)
		}
		if s := opened(rule, now.Add(life), value); s.State != affinity.SessionExpired {
			t.Errorf("ttl %v, at its end: %+v", ttl, s)
		}
	}
	rule := strong(t, "web", time.Hour, 2, 1)
	if s := opened(rule, now, "SPILLWAY="+sealed(t, strong(t, "web", time.Hour, 1), "a", now)); !s.Aging {
		t.Error("a cookie of an older key is left as it is, so that the key is needed for ever")
	}
}

func TestStrongCookieAttributes(t *testing.T) {
	rule := strong(t, "web", time.Hour, 1)
	rule.Cookie.Name, rule.Cookie.Path = "sid", "/app"
	line := string(rule.AppendSetSession(nil, "a", now, true))
	if !strings.HasPrefix(line, "sid=") || !strings.HasSuffix(line, "; Path=/app; Max-Age=3600; Expires=Sat, 21 Nov 2026 23:30:30 GMT; HttpOnly; Secure") {
		t.Errorf("Set-Cookie: %s", line)
	}
	rule.Cookie = affinity.Cookie{}
	line = string(rule.AppendSetSession([]byte("before "), "a", now, false))
	if !strings.HasPrefix(line, "before SPILLWAY=") || !strings.HasSuffix(line, "; Path=/; HttpOnly") {
		t.Errorf("Set-Cookie: %s", line)
	}
}

func TestACookieAppliesToThePathsBelowItsOwn(t *testing.T) {
	for _, c := range []struct {
		cookie, path string
		want         bool
	}{ // RFC 6265 §5.1.4
		{"", "/x", true},
		{"/", "/x", true},
		{"/app", "/app", true},
		{"/app", "/app/x", true},
		{"/app", "/application", false},
		{"/app", "/ap", false},
		{"/app", "/", false},
		{"/app/", "/app/x", true},
		{"/app/", "/app", false},
		{"/app", "/APP", false},
		{"/app", "*", false},
	} {
		rule := affinity.Rule{Cookie: affinity.Cookie{Path: c.cookie}}
		if got := rule.AppliesTo([]byte(c.path)); got != c.want {
			t.Errorf("cookie path %q, request path %q: %v", c.cookie, c.path, got)
		}
	}
}

// FuzzStrongCookie: whatever a client sends, only what was sealed opens, and to what was sealed.
func FuzzStrongCookie(f *testing.F) {
	rule := strong(f, "web", time.Hour, 1)
	good := sealed(f, rule, "10.0.0.1:80", now)
	f.Add("SPILLWAY=" + good)
	f.Add("SPILLWAY=" + good[:50])
	f.Add("SPILLWAY=" + sealed(f, strong(f, "api", 0, 1), "a", now))
	f.Add("SPILLWAY=junk; SPILLWAY=" + strings.Repeat("A", 3000))
	f.Add("a=b; SPILLWAY=" + good + "; SPILLWAY=" + good)
	f.Fuzz(func(t *testing.T, line string) {
		memory := []byte("kept")
		s, memory := rule.Session(memory, lines(line), now)
		if string(memory[:4]) != "kept" {
			t.Fatal("memory that was not its own")
		}
		if s.State == affinity.SessionValid && string(s.Endpoint) != "10.0.0.1:80" {
			t.Fatalf("%q opens to %q", line, s.Endpoint)
		}
		if s.State != affinity.SessionValid && s.State != affinity.SessionExpired && s.Endpoint != nil {
			t.Fatalf("%v has an endpoint", s.State)
		}
	})
}
