package app_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/spillway-lb/spillway/config"
	engine "github.com/spillway-lb/spillway/proxy"
)

const actionsFile = `
[[listener]]
name   = "in"
listen = "127.0.0.1:0"
[[listener.route]]
path_prefix    = "/ping"
fixed_response = { status = 202, body = "pong" }
[[listener.route]]
path_prefix   = "/old/"
url_redirect  = { prefix_redirect = "/new/", host_redirect = "example.com", https_redirect = true, strip_query = true, redirect_response_code = "TEMPORARY_REDIRECT" }
header_action = { response_headers_to_add = [{ header_name = "X-A", header_value = "1" }] }
`

const rewriting = `
[[listener.route]]
path_prefix = "/v1/"
service     = "web"
url_rewrite = { path_prefix_rewrite = "/api/", host_rewrite = "internal" }
[listener.route.header_action]
request_headers_to_add     = [{ header_name = "X-Add", header_value = "1", replace = true }]
request_headers_to_remove  = ["X-Gone"]
response_headers_to_add    = [{ header_name = "X-Add", header_value = "2" }]
response_headers_to_remove = ["X-Seen"]
[[service]]
name      = "web"
endpoints = ["%s"]
`

// Every key of a route's actions does what it says, also after a reload; a file
// of answers needs no service at all.
func TestActionsOfTheFileReachTheTraffic(t *testing.T) {
	p := run(t, actionsFile)
	url := "http://" + p.ListenAddr("in").String()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	get := func(path string) (*http.Response, string) {
		t.Helper()
		r, _ := http.NewRequest("GET", url+path, nil)
		r.Header = http.Header{"X-Gone": {"1"}, "X-Add": {"old"}}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body [256]byte
		n, _ := resp.Body.Read(body[:])
		return resp, string(body[:n])
	}
	if resp, body := get("/ping"); resp.StatusCode != 202 || body != "pong" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("fixed_response: %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if resp, _ := get("/old/x?q"); resp.StatusCode != 307 || resp.Header.Get("Location") != "https://example.com/new/x" || resp.Header.Get("X-A") != "1" {
		t.Errorf("url_redirect: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := get("/v1/x"); resp.StatusCode != 404 {
		t.Errorf("no route: %d", resp.StatusCode)
	}
	echo := serveEcho(t)
	p.reload(actionsFile + fmt.Sprintf(rewriting, echo))
	resp, body := get("/v1/x?q")
	if want := "internal /api/x?q [1] []"; body != want {
		t.Errorf("the endpoint saw %q, want %q", body, want)
	}
	if resp.Header.Get("X-Add") != "2" || resp.Header["X-Seen"] != nil {
		t.Errorf("the client saw %v", resp.Header)
	}
}

// The rule of the file decides about the traffic, and a reload changes it.
func TestRetriesOfTheFileReachTheTraffic(t *testing.T) {
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}))
	t.Cleanup(bad.Close)
	file := oneListener + list(bad.Listener.Addr().String(), named(t, "good"))
	p := run(t, file+"[service.retry]\nretry_on = ['gateway-error']\nper_try_timeout = '20s'\n")
	for range 4 {
		if status, body := p.get("web", "/"); status != 200 || body != "good" {
			t.Errorf("got %d %q", status, body)
		}
	}
	for name, section := range map[string]string{"no rule": "", "another": "[service.retry]\n", "none": "[service.retry]\nretry_on = ['5xx']\nnum_retries = 0\n"} {
		p.reload(file + section)
		seen := map[int]int{}
		for range 4 {
			status, _ := p.get("web", "/")
			seen[status]++
		}
		if seen[200] != 2 || seen[503] != 2 {
			t.Errorf("%s: got %v", name, seen)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// serveEcho is an endpoint that answers with what it was asked for.
func serveEcho(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", "1")
		fmt.Fprint(w, r.Host, " ", r.RequestURI, " ", r.Header["X-Add"], " ", r.Header["X-Gone"])
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// The file's check and the engine's have no code in common, because config
// imports nothing of ours; so they are compared.
func TestFileAndEngineAgreeOnWhatMayBeEdited(t *testing.T) {
	for _, name := range []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
		"HTTP2-Settings", "Proxy-Authenticate", "Proxy-Authorization", "Expect", "Via", "X-Forwarded-For", "X-Forwarded-Host",
		"x-forwarded-PROTO", "X-Forwarded-Port", "Forwarded", "X-Real-IP", "Cookie", "Set-Cookie", "Content-Type", "Server", "a b", "a:",
	} {
		file := fmt.Sprintf(`
listener = [{ listen = ":80", route = [{ service = "a", header_action = { request_headers_to_remove = [%q] } }] }]
service  = [{ name = "a", endpoints = ["x:1"] }]`, name)
		_, inFile := config.Parse("f", []byte(file))
		_, inEngine := engine.NewHeaderEdit([]string{name}, nil)
		if (inFile == nil) != (inEngine == nil) {
			t.Errorf("%s: the file says %v, the engine %v", name, inFile, inEngine)
		}
	}
}

// A path that the file takes for a rewrite is one that the engine can rewrite to.
func TestRewritesOfTheFileArePathsToTheEngine(t *testing.T) {
	t.Parallel()
	r := &engine.Route{PathPrefix: "/v1/"}
	taken := 0
	for range 5000 {
		other := []byte("/")
		for range rand.IntN(8) {
			other = append(other, "/.%2eE5Fa~"[rand.IntN(10)])
		}
		other = append(other, '/')
		file := fmt.Sprintf(`
listener = [{ listen = ":80", route = [{ service = "a", path_prefix = "/v1/", url_rewrite = { path_prefix_rewrite = %q } }] }]
service  = [{ name = "a", endpoints = ["x:1"] }]`, other)
		if _, err := config.Parse("f", []byte(file)); err != nil {
			continue
		}
		taken++
		if got, ok := r.AppendRewritten(nil, []byte("/v1/x"), string(other)); !ok || string(got) != string(other)+"x" {
			t.Errorf("%s: got %q, %v", other, got, ok)
		}
	}
	if taken < 250 {
		t.Errorf("only %d were compared", taken)
	}
}
