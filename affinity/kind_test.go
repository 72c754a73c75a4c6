package affinity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

func TestEveryKindIsReadBackByItsName(t *testing.T) {
	n := 0
	for k := affinity.None; k <= affinity.StrongCookie; k++ {
		n++
		for _, name := range []string{k.String(), strings.ToLower(k.String())} {
			if got, err := affinity.ParseKind(name); err != nil || got != k {
				t.Errorf("ParseKind(%q) = %v, %v; want %v", name, got, err, k)
			}
		}
		groups := 0
		for _, in := range []bool{k.NeedsFlow(), k.NeedsCookie(), k.NeedsHeader(), k == affinity.StrongCookie} {
			if in {
				groups++
			}
		}
		if groups != 1 {
			t.Errorf("%v needs %d of flow, cookie, header, keys; want exactly one", k, groups)
		}
		if k.NeedsHTTP() == k.NeedsFlow() {
			t.Errorf("%v: NeedsHTTP and NeedsFlow are both %v", k, k.NeedsHTTP())
		}
	}
	if n != 9 {
		t.Errorf("%d kinds, want 9", n)
	}
	if k, err := affinity.ParseKind(""); err != nil || k != affinity.None {
		t.Errorf(`ParseKind("") = %v, %v; want NONE`, k, err)
	}
}

func TestUnknownKindsAreRefusedByName(t *testing.T) {
	for name, want := range map[string]string{
		"CLIENTIP":      `unknown session affinity "CLIENTIP"`,
		"STRONG_COOKIE": `unknown session affinity "STRONG_COOKIE"`,
		" NONE":         "unknown",
	} {
		if _, err := affinity.ParseKind(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseKind(%q): error %v, want one with %q", name, err, want)
		}
	}
	if got := affinity.Kind(99).String(); got != "Kind(99)" {
		t.Errorf("String of no kind = %q", got)
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	cookie := func(name, path string, ttl time.Duration) affinity.Cookie {
		return affinity.Cookie{Name: name, Path: path, TTL: ttl}
	}
	for _, c := range []struct {
		name string
		rule affinity.Rule
		want []string // none: valid
	}{
		{"zero", affinity.Rule{}, nil},
		{"generated, all defaults", affinity.Rule{Kind: affinity.GeneratedCookie}, nil},
		{"generated, longest life", affinity.Rule{Kind: affinity.GeneratedCookie, Cookie: cookie("x", "/", 1209600*time.Second)}, nil},
		{"generated, one second more", affinity.Rule{Kind: affinity.GeneratedCookie, Cookie: cookie("", "", 1209601*time.Second)}, []string{"1209600s"}},
		{"generated elsewhere", affinity.Rule{Kind: affinity.GeneratedCookie, Cookie: cookie("", "/app", 0)}, []string{"always /"}},
		{"header", affinity.Rule{Kind: affinity.HeaderField, Header: "X-User"}, nil},
		{"header without name", affinity.Rule{Kind: affinity.HeaderField}, []string{"header name"}},
		{"header that is none", affinity.Rule{Kind: affinity.HeaderField, Header: "X User"}, []string{"header name"}},
		{"header for nothing", affinity.Rule{Kind: affinity.ClientIP, Header: "X-User"}, []string{"not used by CLIENT_IP"}},
		{"strong, all defaults", affinity.Rule{Kind: affinity.StrongCookie, Keys: ring(t, 1)}, nil},
		{"strong, longest life", affinity.Rule{Kind: affinity.StrongCookie, Keys: ring(t, 1), Cookie: cookie("sid", "/app", 1209600*time.Second), Strict: true}, nil},
		{"strong, one second more", affinity.Rule{Kind: affinity.StrongCookie, Keys: ring(t, 1), Cookie: cookie("", "", 1209601*time.Second)}, []string{"1209600s"}},
		{"strong without keys", affinity.Rule{Kind: affinity.StrongCookie}, []string{"needs keys"}},
		{"strong with a name that no cookie can hold", affinity.Rule{Kind: affinity.StrongCookie, Keys: ring(t, 1), Service: strings.Repeat("x", 256)}, []string{"too long"}},
		{"keys for nothing", affinity.Rule{Kind: affinity.GeneratedCookie, Keys: ring(t, 1)}, []string{"not used by GENERATED_COOKIE"}},
		{"strict for nothing", affinity.Rule{Kind: affinity.GeneratedCookie, Strict: true}, []string{"not used by GENERATED_COOKIE"}},
		{"cookie for nothing", affinity.Rule{Cookie: cookie("sid", "", 0)}, []string{"not used by NONE"}},
		{"cookie", affinity.Rule{Kind: affinity.HTTPCookie, Cookie: cookie("sid", "/a", time.Hour)}, nil},
		{"everything wrong", affinity.Rule{Kind: affinity.HTTPCookie, Header: "X", Cookie: cookie("a=b", "a;b", -1)}, []string{"not used", "cookie name", "path", "negative"}},
		{"path without slash", affinity.Rule{Kind: affinity.HTTPCookie, Cookie: cookie("sid", "app", 0)}, []string{"must begin with /"}},
		{"line break in path", affinity.Rule{Kind: affinity.HTTPCookie, Cookie: cookie("sid", "/\r\nX: y", 0)}, []string{"control"}},
		{"no kind", affinity.Rule{Kind: 99}, []string{"unknown kind 99"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.rule.Validate()
			if err == nil {
				if len(c.want) > 0 {
					t.Fatalf("no error, want %q", c.want)
				}
				return
			}
			if len(c.want) == 0 {
				t.Fatal(err)
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(c.want) {
				t.Errorf("%d problems, want %d:\n%v", len(lines), len(c.want), err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in:\n%v", w, err)
				}
			}
		})
	}
}
