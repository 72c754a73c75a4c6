package affinity_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

func TestCookieValueTakesTheFirstThatFits(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string // "-": none
	}{
		{"none", nil, "-"},
		{"empty line", []string{""}, "-"},
		{"only separators", []string{";; ; ;"}, "-"},
		{"alone", []string{"sid=1"}, "1"},
		{"among others", []string{"a=b; sid=1; c=d"}, "1"},
		{"without spaces", []string{"a=b;sid=1;c=d"}, "1"},
		{"tabs around", []string{"a=b;\tsid=1\t; c=d"}, "1"},
		{"twice in a line", []string{"sid=1; sid=2"}, "1"},
		{"twice in two lines", []string{"sid=1", "sid=2"}, "1"},
		{"in the second line", []string{"a=b", "sid=2"}, "2"},
		{"other case is another cookie", []string{"SID=1; Sid=2; sid=3"}, "3"},
		{"longer name", []string{"xsid=1; sidx=2"}, "-"},
		{"name alone", []string{"sid"}, "-"},
		{"name alone, then whole", []string{"sid; sid=1"}, "1"},
		{"empty value names nobody", []string{"sid=; sid=2"}, "2"},
		{"equals sign in value", []string{"sid=a=b=="}, "a=b=="},
		{"space before equals sign", []string{"sid =1"}, "-"},
		{"quotes stay", []string{`sid="1"`}, `"1"`},
		{"quotes protect nothing", []string{`sid="a;b"`}, `"a`},
		{"escapes stay", []string{"sid=%41"}, "%41"},
		{"space inside stays", []string{"sid= a b ; x=y"}, " a b"},
		{"comma is no separator", []string{"a=b, sid=1"}, "-"},
		{"bytes beyond ASCII", []string{"sid=\xff\x80"}, "\xff\x80"},
		{"found in another's value", []string{"a=sid=1"}, "-"},
		{"huge", []string{strings.Repeat("a=b; ", 50000) + "sid=1"}, "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := affinity.CookieValue(lines(c.lines...), "sid")
			if want := c.want != "-"; ok != want || ok && string(got) != c.want {
				t.Errorf("%q, %v; want %q", got, ok, c.want)
			}
		})
	}
}

func lines(s ...string) [][]byte {
	var b [][]byte
	for _, l := range s {
		b = append(b, []byte(l))
	}
	return b
}

// naiveCookie is CookieValue as one would say it.
func naiveCookie(lines [][]byte, name string) (string, bool) {
	for _, line := range lines {
		for _, pair := range strings.Split(string(line), ";") {
			n, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if ok && n == name && v != "" {
				return v, true
			}
		}
	}
	return "", false
}

func FuzzCookieValueAgreesWithTheNaiveOne(f *testing.F) {
	f.Add("a=b; sid=1", "", "sid")
	f.Add(`sid="a;b"; sid=`, "sid=\t2", "sid")
	f.Add(";;=;sid", "=sid=1", "")
	f.Fuzz(func(t *testing.T, line1, line2, name string) {
		if strings.ContainsAny(name, "=; \t") {
			return // no cookie is called that; Rule.Validate refuses it
		}
		in := lines(line1, line2)
		got, ok := affinity.CookieValue(in, name)
		want, wantOK := naiveCookie(in, name)
		if ok != wantOK || string(got) != want {
			t.Errorf("lines %q, %q: %q, %v; want %q, %v", line1, line2, got, ok, want, wantOK)
		}
		if string(in[0]) != line1 || string(in[1]) != line2 {
			t.Error("the lines were changed")
		}
	})
}

var now = time.Date(2026, 11, 21, 23, 30, 30, 0, time.FixedZone("", 3600))

func TestSetCookieSaysWhatTheRuleSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		rule   affinity.Rule
		secure bool
		want   string
	}{
		{"generated", affinity.Rule{Kind: affinity.GeneratedCookie}, false, "GCILB=v; Path=/; HttpOnly"},
		{"generated, TLS", affinity.Rule{Kind: affinity.GeneratedCookie}, true, "GCILB=v; Path=/; HttpOnly; Secure"},
		{"generated, named", affinity.Rule{Kind: affinity.GeneratedCookie, Cookie: affinity.Cookie{Name: "LB", Path: "/never"}}, false, "LB=v; Path=/; HttpOnly"},
		{"an hour", affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid", Path: "/app", TTL: time.Hour}}, false,
			"sid=v; Path=/app; Max-Age=3600; Expires=Sat, 21 Nov 2026 23:30:30 GMT; HttpOnly"},
		{"less than a second", affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid", TTL: time.Millisecond}}, false,
			"sid=v; Path=/; Max-Age=1; Expires=Sat, 21 Nov 2026 22:30:30 GMT; HttpOnly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(c.rule.AppendSetCookie([]byte("Set-Cookie: "), []byte("v"), now, c.secure))
			if got != "Set-Cookie: "+c.want {
				t.Errorf("\n got %s\nwant Set-Cookie: %s", got, c.want)
			}
		})
	}
}

// TestSetCookieIsUnderstood has net/http read what we write.
func TestSetCookieIsUnderstood(t *testing.T) {
	rule := affinity.Rule{Kind: affinity.HTTPCookie, Cookie: affinity.Cookie{Name: "sid", Path: "/app", TTL: time.Hour}}
	value := rule.NewCookieValue()
	c, err := http.ParseSetCookie(string(rule.AppendSetCookie(nil, value[:], now, true)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "sid" || c.Value != string(value[:]) || c.Path != "/app" || c.MaxAge != 3600 || !c.HttpOnly || !c.Secure ||
		c.SameSite != 0 || !c.Expires.Equal(now.Add(time.Hour)) || len(c.Unparsed) != 0 {
		t.Errorf("read as %+v", c)
	}
}

func TestNewCookieValuesAreHexAndDiffer(t *testing.T) {
	var rule affinity.Rule
	seen := map[[32]byte]bool{}
	for range 1000 {
		v := rule.NewCookieValue()
		if seen[v] {
			t.Fatalf("%s came twice", v)
		}
		seen[v] = true
		if strings.Trim(string(v[:]), "0123456789abcdef") != "" {
			t.Fatalf("%q is not hex", v)
		}
	}
}

// TestTheCookieWeSetIsTheCookieWeRead walks one client through two requests.
func TestTheCookieWeSetIsTheCookieWeRead(t *testing.T) {
	rule := affinity.Rule{Kind: affinity.GeneratedCookie, Service: "web"}
	value := rule.NewCookieValue()
	set := rule.AppendSetCookie(nil, value[:], now, false)
	sent, _, _ := bytes.Cut(set, []byte(";"))
	got, ok := affinity.CookieValue([][]byte{[]byte("lang=en"), sent}, rule.CookieName())
	if !ok || rule.ValueKey(got) != rule.ValueKey(value[:]) {
		t.Errorf("the client that was given %s came back as %q", value, got)
	}
}
