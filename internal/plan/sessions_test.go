package plan_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestStrongSessionsAreOrphaned(t *testing.T) {
	const k1, k2 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	strong := func(endpoints, cookie string) file {
		return file{service: "session_affinity = \"STRONG_COOKIE_AFFINITY\"\nstrong_session_affinity_cookie = { " + cookie + " }", endpoints: endpoints}
	}
	keys := func(keys ...string) string { return fmt.Sprintf(`keys = ["%s"]`, strings.Join(keys, `", "`)) }
	before := strong(list(0, 8), keys(k1))
	for name, c := range map[string]struct {
		prev, next file
		orphaned   float64
		why        string
	}{
		"nothing":                        {before, before, 0, ""},
		"an endpoint comes":              {before, strong(list(0, 9), keys(k1)), 0, ""},
		"two of eight go":                {before, strong(list(0, 6), keys(k1)), .25, "their endpoints go"},
		"an address, with its ID":        {strong(`{ address = "10.0.0.1:80", id = "a" }`, keys(k1)), strong(`{ address = "10.0.0.9:80", id = "a" }`, keys(k1)), 0, ""},
		"an ID, with its address":        {strong(`{ address = "10.0.0.1:80", id = "a" }`, keys(k1)), strong(`{ address = "10.0.0.1:80", id = "b" }`, keys(k1)), 1, "their endpoints go"},
		"a key is added":                 {before, strong(list(0, 8), keys(k1, k2)), 0, ""},
		"another key seals":              {before, strong(list(0, 8), keys(k2, k1)), 0, ""},
		"the key goes":                   {before, strong(list(0, 8), keys(k2)), 1, "the key that seals before"},
		"the keys go":                    {before, strong(list(0, 8), ""), 1, "the key that seals before"},
		"the process's own key, kept":    {strong(list(0, 8), ""), before, 0, ""},
		"the cookie's name":              {before, strong(list(0, 8), keys(k1)+`, name = "x"`), 1, "from SPILLWAY to x"},
		"a path inside the other":        {before, strong(list(0, 8), keys(k1)+`, path = "/a"`), 0, ""},
		"a path beside the other":        {strong(list(0, 8), keys(k1)+`, path = "/b"`), strong(list(0, 8), keys(k1)+`, path = "/a"`), 1, "path"},
		"the affinity":                   {before, file{service: `session_affinity = "CLIENT_IP"`, endpoints: list(0, 8)}, 1, "STRONG_COOKIE_AFFINITY to CLIENT_IP"},
		"the policy, which is no matter": {before, file{service: before.service + "\nlocality_lb_policy = \"MAGLEV\"", endpoints: list(0, 8)}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := compare(t, c.prev.load(t), c.next.load(t)).Services[0]
			if s.Sessions == nil || math.Abs(s.Sessions.Orphaned-c.orphaned) > 1e-9 || !strings.Contains(s.Sessions.Why, c.why) || c.why == "" && s.Sessions.Why != "" {
				t.Errorf("%+v, want %v because %q", s.Sessions, c.orphaned, c.why)
			}
			if s.Moved != 0 {
				t.Errorf("%v of the keys move", s.Moved)
			}
		})
	}
	if s := compare(t, byHeader.load(t), before.load(t)).Services[0]; s.Sessions != nil {
		t.Errorf("a service without strong affinity has sessions: %+v", s.Sessions)
	}
}
