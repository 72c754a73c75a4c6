package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// acting gives the bench one route, below /v1/, with these actions; what else
// comes goes to the service as it is.
func acting(a proxy.Actions) option {
	return func(b *bench) {
		r := proxy.Route{PathPrefix: "/v1/", Actions: &a}
		if a.Redirect == nil && a.Fixed == nil {
			r.Service = b.service
		}
		b.settings.Routes = proxy.NewRoutes([]proxy.Route{r}, b.service)
	}
}

func edit(t *testing.T, remove []string, add ...proxy.HeaderField) proxy.HeaderEdit {
	t.Helper()
	e, err := proxy.NewHeaderEdit(remove, add)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func rewriteChangesWhatTheEndpointIsAskedFor(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, acting(proxy.Actions{PathRewrite: "/", HostRewrite: []byte("internal:81")}))
	c := b.dial()
	for target, want := range map[string]string{
		"/v1/a%2Fb?c=%20&d=/v1/": "/a%2Fb?c=%20&d=/v1/",
		"/v1/":                   "/",
		"/v1/?":                  "/?",
		"/%76%31/x?y":            "/x?y",
		"/a/../v1/x":             "/x",
		"http://a/v1/x?y":        "/x?y",
	} {
		c.send("GET " + target + " HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n")
		if resp, _ := c.response("GET"); resp.StatusCode != 200 {
			t.Fatalf("%s: %d", target, resp.StatusCode)
		}
		head := <-e.heads
		want := "GET " + want + " HTTP/1.1\r\nHost: internal:81\r\nX-A: b\r\nX-Forwarded-For: 127.0.0.1\r\n" +
			"X-Forwarded-Proto: " + d.scheme() + "\r\nX-Forwarded-Host: a\r\n"
		if !strings.HasPrefix(head, want) {
			t.Errorf("%s: the endpoint got %q, want %q", target, head, want)
		}
	}
	c.send("GET /other?x HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if head := <-e.heads; !strings.HasPrefix(head, "GET /other?x HTTP/1.1\r\nHost: a\r\n") {
		t.Errorf("another route's request became %q", head)
	}
	c.send("GET /v1/%2%65%2%65/x HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 400 || resp.Header.Get("Proxy-Status") == "" {
		t.Errorf("an ambiguous path: %d %v", resp.StatusCode, resp.Header)
	}
}

// The asterisk has no path to rewrite.
func rewriteLeavesTheAsteriskAlone(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withRoute(func(r *proxy.Route) { r.Actions = &proxy.Actions{PathRewrite: "/x/"} }))
	c := b.dial()
	for _, target := range []string{"*", "http://a"} {
		c.send("OPTIONS " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").response("OPTIONS")
		if head := <-e.heads; !strings.HasPrefix(head, "OPTIONS * HTTP/1.1\r\n") {
			t.Errorf("%s became %q", target, head)
		}
	}
}

func headerEditsReachBothEnds(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 200 OK\r\nServer: x\r\nX-Kept: 1\r\nset-cookie: a=b\r\nContent-Length: 2\r\nX-Twice: 1\r\n\r\nok")
	b := d.start(t, []string{e.addr}, acting(proxy.Actions{
		Request: edit(t, []string{"X-Gone"}, proxy.HeaderField{Name: "X-Set", Value: "new", Replace: true},
			proxy.HeaderField{Name: "X-More", Value: "2"}, proxy.HeaderField{Name: "X-Listed", Value: "safe"}),
		Response: edit(t, []string{"SERVER", "Set-Cookie"}, proxy.HeaderField{Name: "X-Twice", Value: "2"}),
	}))
	c := b.dial()
	for range 2 { // nothing of the first edit is left for the second
		c.send("GET /v1/ HTTP/1.1\r\nHost: a\r\nx-gone: 1\r\nX-MORE: 1\r\nx-set: old\r\nX-SET: older\r\nX-Last: 1\r\nConnection: X-Listed\r\n\r\n")
		resp, body := c.response("GET")
		if resp.StatusCode != 200 || body != "ok" || len(resp.Header) != 3 || resp.Header.Get("X-Kept") != "1" ||
			fmt.Sprint(resp.Header["X-Twice"]) != "[1 2]" {
			t.Errorf("the client got %v %q", resp.Header, body)
		}
		want := "GET /v1/ HTTP/1.1\r\nHost: a\r\nX-MORE: 1\r\nX-Last: 1\r\nX-Set: new\r\nX-More: 2\r\nX-Listed: safe\r\nX-Forwarded-For: "
		if head := <-e.heads; !strings.HasPrefix(head, want) {
			t.Errorf("the endpoint got %q, want %q", head, want)
		}
	}
	c.send("GET /other HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\n\r\n")
	if resp, _ := c.response("GET"); resp.Header.Get("Server") != "x" || !strings.Contains(<-e.heads, "X-Gone: 1\r\n") {
		t.Errorf("another route's headers were edited: %v", resp.Header)
	}
}

// 1xx responses pass as they are; the one that ends HTTP on a connection is a
// final one.
func headerEditsApplyToTheFinalResponse(t *testing.T, d driver) {
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX-Gone: 1\r\n\r\n")
		if strings.Contains(head, "Upgrade: x") {
			io.WriteString(c, "HTTP/1.1 101 \r\nX-Gone: 1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhi")
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Gone: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	})
	b := d.start(t, []string{addr}, acting(proxy.Actions{Response: edit(t, []string{"X-Gone"}, proxy.HeaderField{Name: "X-New", Value: "1"})}))
	const early = "HTTP/1.1 103 Early Hints\r\nX-Gone: 1\r\n\r\n"
	got := b.dial().send("GET /v1/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").all()
	if want := early + "HTTP/1.1 101 \r\nX-New: 1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhi"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = b.dial().send("GET /v1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").all()
	if want := early + "HTTP/1.1 200 OK\r\nX-New: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An endpoint that fails is told of in Spillway's words, which nobody edits.
func headerEditsLeaveFailuresAlone(t *testing.T, d driver) {
	b := d.start(t, []string{closedPort(t)}, acting(proxy.Actions{Response: edit(t, nil, proxy.HeaderField{Name: "X-New", Value: "1"})}))
	resp, _ := b.dial().send("GET /v1/ HTTP/1.1\r\nHost: a\r\n\r\n").response("GET")
	if resp.StatusCode != 502 || resp.Header.Get("X-New") != "" {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
}

func redirectNeedsNoEndpointAndKeepsTheConnection(t *testing.T, d driver) {
	b := d.start(t, nil, acting(proxy.Actions{
		Redirect: &proxy.Redirect{Status: 308, Prefix: "/v2/", Host: "b:8443", HTTPS: true},
		Response: edit(t, nil, proxy.HeaderField{Name: "Cache-Control", Value: "no-store"}),
	}))
	c := b.dial()
	for target, want := range map[string]string{
		"/v1/x?y":                  "https://b:8443/v2/x?y",
		"http://a/v1/x":            "https://b:8443/v2/x",
		"/v1/%0d%0aX-Injected:%20": "https://b:8443/v2/%0d%0aX-Injected:%20",
	} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			request := method + " " + target + " HTTP/1.1\r\nHost: a\r\n"
			if method == "POST" {
				request += "Content-Length: 5\r\n\r\nhello"
			} else {
				request += "\r\n"
			}
			resp, body := c.send(request).response(method)
			if resp.Close && method == "POST" { // the answer did not wait for the body
				resp.Header.Del("Connection")
				c = b.dial()
			}
			if resp.StatusCode != 308 || body != "" || resp.ContentLength != 0 || len(resp.Header) != 3 ||
				resp.Header.Get("Location") != want || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d %v %q", method, target, resp.StatusCode, resp.Header, body)
			}
		}
	}
	c.send("GET /v1/%2%65%2%65/ HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := c.response("GET"); resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
		t.Errorf("an ambiguous path: %d %v", resp.StatusCode, resp.Header)
	}
	b.end()
	if log := b.access.String(); strings.Count(log, `"service":"","endpoint":""`) != 10 || strings.Count(log, `"status":308`) != 9 ||
		strings.Count(log, `"cause":""`) != 9 {
		t.Errorf("access log: %s", log)
	}
}

func redirectKnowsTheSchemeFromATrustedProxyOnly(t *testing.T, d driver) {
	redirect := acting(proxy.Actions{Redirect: &proxy.Redirect{Status: 301, Path: "/new"}})
	ours := d.scheme() + "://a:1/new"
	trusting := withSettings(func(s *proxyhttp.Settings) { s.TrustedProxies = loopback })
	for _, tc := range []struct {
		options []option
		fields  string
		want    string
	}{
		{[]option{redirect}, "X-Forwarded-Proto: https\r\n", ours},
		{[]option{redirect}, "X-Forwarded-Proto: http\r\n", ours},
		{[]option{redirect, trusting}, "X-Forwarded-Proto: HTTPS\r\n", "https://a:1/new"},
		{[]option{redirect, trusting}, "X-Forwarded-Proto: http\r\n", "http://a:1/new"},
		{[]option{redirect, trusting}, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", ours},
		{[]option{redirect, trusting}, "X-Forwarded-Proto: httpsx\r\n", "http://a:1/new"},
		{[]option{redirect, trusting}, "", ours},
	} {
		resp, _ := d.start(t, nil, tc.options...).dial().send("GET /v1/ HTTP/1.1\r\nHost: a:1\r\n" + tc.fields + "\r\n").response("GET")
		if got := resp.Header.Get("Location"); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.fields, got, tc.want)
		}
	}
}

func redirectWithoutHostNamesTheAddressItCameTo(t *testing.T, d driver) {
	b := d.start(t, nil, acting(proxy.Actions{Redirect: &proxy.Redirect{Status: 302, Path: "/new"}}))
	got := b.dial().send("GET /v1/?q HTTP/1.0\r\n\r\n").all()
	want := "HTTP/1.1 302 Found\r\nLocation: " + b.url("/new?q") + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func fixedResponseIsTheSameForEverybody(t *testing.T, d driver) {
	large := strings.Repeat("0123456789abcdef", 4096)
	for _, body := range []string{"", "pong\n", large} {
		b := d.start(t, nil, acting(proxy.Actions{Fixed: &proxy.FixedResponse{Status: 200, Body: []byte(body), ContentType: "text/x"}}))
		c := b.dial()
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "GET"} {
			c.send(method + " /v1/ HTTP/1.1\r\nHost: a\r\n\r\n")
			want := body
			if method == "HEAD" {
				want = ""
			}
			resp, got := c.response(method)
			if resp.StatusCode != 200 || got != want || resp.Header.Get("Content-Type") != "text/x" ||
				resp.Header.Get("Content-Length") != fmt.Sprint(len(body)) || resp.Header.Get("Proxy-Status") != "" {
				t.Errorf("%s: %d %v and %d bytes", method, resp.StatusCode, resp.Header, len(got))
			}
		}
		b.end()
		log := b.access.String()
		if strings.Count(log, fmt.Sprintf(`"bytes_out":%d,`, len(body))) != 4 && body != "" || strings.Count(log, `"cause":""`) != 5 {
			t.Errorf("access log: %s", log)
		}
	}
}

func fixedResponseWithoutContentHasNoLength(t *testing.T, d driver) {
	b := d.start(t, nil, acting(proxy.Actions{Fixed: &proxy.FixedResponse{Status: 204}}))
	got := b.dial().send("GET /v1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").all()
	if want := "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A body that was not read yet is no reason to wait, and not the next request.
func fixedResponseDoesNotReadALargeBody(t *testing.T, d driver) {
	fixed := acting(proxy.Actions{Fixed: &proxy.FixedResponse{Status: 403, Body: []byte("no\n")}})
	for _, request := range []string{
		"POST /v1/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nGET /v1/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /v1/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"POST /v1/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
	} {
		c := d.start(t, nil, fixed).dial().send(request)
		resp, body := c.response("POST")
		if resp.StatusCode != 403 || body != "no\n" || !resp.Close {
			t.Errorf("%q: %d %q, close %v", request, resp.StatusCode, body, resp.Close)
		}
		c.CloseWrite()
		c.closed()
	}
	c := d.start(t, nil, fixed).dial()
	c.send("POST /v1/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if resp, _ := c.response("POST"); resp.StatusCode != 400 && !(faulty && resp.StatusCode == 403) {
		t.Errorf("a malformed body: %d", resp.StatusCode)
	}
}

func pipelinedAnswersComeInOrder(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, acting(proxy.Actions{Fixed: &proxy.FixedResponse{Status: 200, Body: []byte("fixed")}}))
	c := b.dial()
	var requests, want strings.Builder
	for range 20 {
		requests.WriteString("GET /v1/ HTTP/1.1\r\nHost: a\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n")
		want.WriteString("fixed ok ")
	}
	c.send(requests.String())
	var got strings.Builder
	for range 40 {
		_, body := c.response("GET")
		got.WriteString(body + " ")
	}
	if got.String() != want.String() {
		t.Errorf("got %q", got.String())
	}
}
