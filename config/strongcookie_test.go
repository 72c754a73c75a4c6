package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

const cookieKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// strongFile is a file with a strong service; cookie is what follows in the section of
// its cookie.
func strongFile(cookie string) string {
	return "[[listener]]\nlisten = \":80\"\nservice = \"web\"\n[[service]]\nname = \"web\"\nsession_affinity = \"STRONG_COOKIE_AFFINITY\"\n" +
		"endpoints = [\"10.0.0.1:80\"]\n[service.strong_session_affinity_cookie]\n" + cookie
}

func parseStrong(t *testing.T, cookie string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("f.toml", []byte(strongFile(cookie)))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestStrongAffinityHasDefaultsAndNeedsNoPolicy(t *testing.T) {
	s := &parseStrong(t, "").Services[0]
	c := s.StrongSessionAffinityCookie
	if s.LocalityLBPolicy != "ROUND_ROBIN" || c.Name != "SPILLWAY" || c.Path != "/" || c.TTL != 0 || c.Strict || !s.KeepsSessions() {
		t.Errorf("%s, %+v", s.LocalityLBPolicy, c)
	}
	for _, policy := range []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV"} {
		text := strings.Replace(strongFile("keys = [\""+cookieKey+"\"]"), "endpoints", fmt.Sprintf("locality_lb_policy = %q\nendpoints", policy), 1)
		if cfg, err := config.Parse("f.toml", []byte(text)); err != nil || len(cfg.Warnings) > 0 {
			t.Errorf("%s: %v %v", policy, err, cfg.Warnings)
		}
	}
}

func TestKeysOfStrongCookiesMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("SPILLWAY_TEST_KEY", cookieKey)
	cfg := parseStrong(t, `keys = ["${SPILLWAY_TEST_KEY}"]`)
	if keys := cfg.Services[0].StrongSessionAffinityCookie.Keys; len(keys) != 1 || keys[0] != cookieKey {
		t.Error("the key is not the one of the environment")
	}
}

func TestNoKeysForStrongCookiesIsAWarning(t *testing.T) {
	cfg := parseStrong(t, "")
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0].Error(), "strong_session_affinity_cookie.keys") {
		t.Errorf("%v", cfg.Warnings)
	}
}

func TestKeysOfStrongCookiesAreNotQuoted(t *testing.T) {
	for _, keys := range []string{`"` + cookieKey + `"`, `["` + cookieKey + `x"]`, `["` + cookieKey + `", "` + cookieKey + `"]`} {
		_, err := config.Parse("f.toml", []byte(strongFile("keys = "+keys)))
		if err == nil || strings.Contains(err.Error(), cookieKey) {
			t.Errorf("%v", err)
		}
	}
}

// TestT12 is the row of spec.md §14: 1209601 is an error; with 0 there is no Expires,
// for which see package affinity.
func TestT12(t *testing.T) {
	generated := strings.Replace(strongFile(""), "[service.strong_session_affinity_cookie]\n", "", 1)
	generated = strings.Replace(generated, "STRONG_COOKIE_AFFINITY", "GENERATED_COOKIE", 1)
	for _, c := range []struct {
		ttl  string
		good bool
	}{{"0s", true}, {"1209600s", true}, {"1209601s", false}} {
		for name, text := range map[string]string{
			"GENERATED_COOKIE":       generated + fmt.Sprintf("affinity_cookie_ttl = %q\n", c.ttl),
			"HTTP_COOKIE":            strings.Replace(generated, "GENERATED", "HTTP", 1) + fmt.Sprintf("affinity_cookie_ttl = %q\nconsistent_hash = { http_cookie = { name = \"sid\" } }\n", c.ttl),
			"STRONG_COOKIE_AFFINITY": strongFile(fmt.Sprintf("ttl = %q\n", c.ttl)),
		} {
			_, err := config.Parse("f.toml", []byte(text))
			if (err == nil) != c.good || err != nil && !strings.Contains(err.Error(), "1209600s") {
				t.Errorf("%s for %s: %v", name, c.ttl, err)
			}
		}
	}
}

func TestServicesThatShareAStrongCookieAreWarnedOf(t *testing.T) {
	file := func(hostA, hostB, cookieB string) string {
		text := "[[listener]]\nlisten = \":80\"\n"
		for _, r := range []string{"host = \"" + hostA + "\"\npath_prefix = \"/a\"\nservice = \"a\"", "host = \"" + hostB + "\"\npath_prefix = \"/b\"\nservice = \"b\""} {
			text += "[[listener.route]]\n" + r + "\n"
		}
		for name, cookie := range map[string]string{"a": "", "b": cookieB} {
			text += fmt.Sprintf("[[service]]\nname = %q\nsession_affinity = \"STRONG_COOKIE_AFFINITY\"\nendpoints = [\"10.0.0.1:80\"]\n"+
				"strong_session_affinity_cookie = { keys = [%q]%s }\n", name, cookieKey, cookie)
		}
		return text
	}
	for _, c := range []struct {
		hostA, hostB, cookieB string
		warned                bool
	}{
		{"x.test", "x.test", "", true},
		{"x.test", "y.test", "", false},
		{"x.test", "x.test", ", name = \"B\"", false},
		{"x.test", "x.test", ", path = \"/b\"", false},
	} {
		cfg, err := config.Parse("f.toml", []byte(file(c.hostA, c.hostB, c.cookieB)))
		if err != nil {
			t.Fatal(err)
		}
		if warned := len(cfg.Warnings) > 0; warned != c.warned {
			t.Errorf("%+v: warnings %v", c, cfg.Warnings)
		}
	}
}

func TestWhetherSessionsAreKeptIsPrintedAsItIs(t *testing.T) {
	for _, keep := range []string{"", "[service.connection_draining]\nkeep_sessions = true\n", "[service.connection_draining]\nkeep_sessions = false\n"} {
		cfg := parseStrong(t, "keys = [\""+cookieKey+"\"]\n"+keep)
		var b strings.Builder
		if err := cfg.Print(&b); err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("f.toml", []byte(b.String()))
		if err != nil {
			t.Fatal(err, b.String())
		}
		if got, want := again.Services[0].KeepsSessions(), !strings.Contains(keep, "false"); got != want {
			t.Errorf("%q: kept %v", keep, got)
		}
	}
}
