package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

// route is a file with one route of these keys.
func route(keys string) string {
	return "[[listener]]\nlisten = ':80'\n[[listener.route]]\n" + keys + "\n[[service]]\nname = 'web'\nendpoints = ['x:1']\n"
}

func TestRedirectCodeIsANumberOrItsNameInTheAPI(t *testing.T) {
	for text, want := range map[string]config.RedirectCode{
		"301": 301, "302": 302, "303": 303, "307": 307, "308": 308,
		"'MOVED_PERMANENTLY_DEFAULT'": 301, "'found'": 302, "'SEE_OTHER'": 303,
		"'TEMPORARY_REDIRECT'": 307, "'PERMANENT_REDIRECT'": 308,
	} {
		c := parse(t, route("url_redirect = { https_redirect = true, redirect_response_code = "+text+" }"))
		if got := c.Listeners[0].Routes[0].URLRedirect.RedirectResponseCode; got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
		checkRoundTrip(t, c)
	}
	for _, text := range []string{"0", "300", "304", "'301'", "''", "true", "[301]"} {
		refused(t, route("url_redirect = { https_redirect = true, redirect_response_code = "+text+" }"), "must be one of 301 (MOVED")
	}
}

func TestFixedResponseIsTextUnlessItSays(t *testing.T) {
	for keys, want := range map[string]string{
		`status = 200, body = "ok"`:                             "text/plain; charset=utf-8",
		`status = 503, body = "{}", content_type = "text/json"`: "text/json",
		`status = 204`: "",
	} {
		c := parse(t, route("fixed_response = { "+keys+" }"))
		if got := c.Listeners[0].Routes[0].FixedResponse.ContentType; got != want {
			t.Errorf("%s: got %q, want %q", keys, got, want)
		}
		checkRoundTrip(t, c)
	}
	body := func(n int) string {
		return route("fixed_response = { status = 200, body = '" + strings.Repeat("x", n) + "' }")
	}
	parse(t, body(64<<10))
	refused(t, body(64<<10+1), "has 65537 bytes, and may have 65536")
}

func TestHeaderValuesFromTheEnvironmentAreChecked(t *testing.T) {
	const add = "service = 'web'\nheader_action.request_headers_to_add = [{ header_name = 'X-A', header_value = '${SPILLWAY_TEST_V}' }]"
	for _, value := range []string{"", "a", "a\tb", "ä", `"quoted"; $1`} {
		t.Setenv("SPILLWAY_TEST_V", value)
		c := parse(t, route(add))
		if got := c.Listeners[0].Routes[0].HeaderAction.RequestHeadersToAdd[0].HeaderValue; got != value {
			t.Errorf("got %q, want %q", got, value)
		}
		checkRoundTrip(t, c)
	}
	for _, value := range []string{"a\nb", "a\r", "\x01", "a\x7f", "a\r\nX: y"} {
		t.Setenv("SPILLWAY_TEST_V", value)
		refused(t, route(add), "control character")
	}
}

func TestHostsOfRedirectsAndRewritesMayHavePorts(t *testing.T) {
	for _, host := range []string{"a", "example.com:8443", "10.0.0.1", "[::1]", "[::1]:80", "under_score"} {
		parse(t, route(fmt.Sprintf("url_redirect = { host_redirect = %q }", host)))
		parse(t, route(fmt.Sprintf("service = 'web'\nurl_rewrite = { host_rewrite = %q }", host)))
	}
	for _, host := range []string{
		":80", "::1", "a:0", "a:65536", "a:x", "a b", "a/b", "a\\r\\nb", "user@a", "http://a", "unix:/a", "[fe80::1%eth0]", "a,b",
		strings.Repeat("a.", 130) + "a",
	} {
		for _, keys := range []string{`url_redirect = { host_redirect = "` + host + `" }`, "service = 'web'\n" + `url_rewrite = { host_rewrite = "` + host + `" }`} {
			if _, err := config.Parse("f.toml", []byte(route(keys))); len(config.Problems(err)) != 1 {
				t.Errorf("%s: got %v", keys, err)
			}
		}
	}
}

// A redirect that its own route takes again is probably a mistake, but a route
// before it may prevent that.
func TestRedirectsInCirclesAreWarnedOf(t *testing.T) {
	for keys, circle := range map[string]bool{
		"url_redirect = { path_redirect = '/new' }":                         true,
		"url_redirect = { prefix_redirect = '/new/' }":                      true,
		"url_redirect = { path_redirect = '/new', host_redirect = 'b' }":    false,
		"url_redirect = { path_redirect = '/new', https_redirect = true }":  false,
		"path_prefix = '/old'\nurl_redirect = { path_redirect = '/new' }":   false,
		"path_prefix = '/old'\nurl_redirect = { path_redirect = '/older' }": true,
		"path_prefix = '/x'\nservice = 'web'\n[[listener.route]]\n" +
			"url_redirect = { path_redirect = '/x' }": false,
	} {
		c := parse(t, route(keys))
		var warned bool
		for _, w := range c.Warnings {
			warned = warned || strings.Contains(w.Message, "circles")
		}
		if warned != circle {
			t.Errorf("%s: warned %v, want %v", keys, warned, circle)
		}
	}
}
