package http_test

import (
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

// forwarded is the head that an endpoint gets for a request to the host "a" with
// these other fields.
func (d driver) forwarded(line, fields string) string {
	return line + " HTTP/1.1\r\nHost: a\r\n" + fields + "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: " + d.scheme() + "\r\n" +
		"X-Forwarded-Host: a\r\nVia: 1.1 spillway\r\n\r\n"
}

func fieldsKeepOrderCaseAndNumber(t *testing.T, d driver) {
	const reply = "HTTP/1.1 299 Odd, \xe9\r\nX-b: 2\r\nDate: today\r\nSet-Cookie: a=1\r\nSERVER: x\r\nset-cookie: b=\"2\"\r\n" +
		"Content-Length: 2\r\nX-B:\t3 \r\nX-Empty:\r\nServer: y\r\nx-b: 2\r\n\r\nok"
	const fields = "x-b: 2\r\nX-A: 1\r\nUser-Agent: one\r\nX-B:\t3 \t\r\nX-Empty:\r\nuser-agent: two\r\nX-!#$%&'*+.^_`|~: 1\r\n" +
		"Cookie: b=\"q\"; a\r\nCOOKIE: c=d\r\nX-Obs: \xff\t \"\r\nAccept: */*, \r\nx-b: 2\r\n"
	e := answer(t, reply)
	c := d.start(t, []string{e.addr}).dial()
	for range 2 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n").expect(reply)
		if got, want := <-e.heads, d.forwarded("GET /", fields); got != want {
			t.Errorf("the endpoint got %q, want %q", got, want)
		}
	}
}

// What the client did not say, and the endpoint did not, nobody says for them.
func nothingIsInvented(t *testing.T, d driver) {
	const reply = "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"
	e := answer(t, reply)
	c := d.start(t, []string{e.addr}).dial()
	c.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").expect(reply)
	if got, want := <-e.heads, d.forwarded("POST /x", "Content-Length: 0\r\n"); got != want {
		t.Errorf("the endpoint got %q, want %q", got, want)
	}
}

func targetsPassByteForByte(t *testing.T, d driver) {
	e := answer(t, ok)
	c := d.start(t, []string{e.addr}).dial()
	for _, target := range []string{
		"/", "/?", "/??", "//", "//a//b/", "/a/../b/./c", "/..", "/%2F%2e%7E%00%zz%", "/a;b=c,d?e[]={}|^`\"<>\\", "/http://b/",
		"/?http://b/", "/:@!$&'()*+,;=-._~", "/" + strings.Repeat("x", 40_000),
	} {
		if resp, _ := c.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode != 200 {
			t.Fatalf("%.80q: %d", target, resp.StatusCode)
		}
		if got, want := <-e.heads, d.forwarded("GET "+target, ""); got != want {
			t.Errorf("the endpoint got %.80q, want %.80q", got, want)
		}
	}
	c.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").response("OPTIONS")
	if got, want := <-e.heads, d.forwarded("OPTIONS *", ""); got != want {
		t.Errorf("the endpoint got %.80q, want %.80q", got, want)
	}
}

// RFC 9112 §3.2.2: an absolute-form says the host, and the endpoint gets the
// origin-form.
func absoluteFormBecomesOriginForm(t *testing.T, d driver) {
	e := answer(t, ok)
	c := d.start(t, []string{e.addr}).dial()
	for request, want := range map[string]string{
		"GET http://a HTTP/1.1\r\nHost: a\r\n":              "GET / HTTP/1.1\r\nHost: a\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n":             "GET / HTTP/1.1\r\nHost: a\r\n",
		"GET HTTP://a?x HTTP/1.1\r\nHost: a\r\n":            "GET /?x HTTP/1.1\r\nHost: a\r\n",
		"GET http://A:80//x/../%2f HTTP/1.1\r\nHost: a\r\n": "GET //x/../%2f HTTP/1.1\r\nHost: A:80\r\n",
		"GET https://a:443/ HTTP/1.1\r\nHost: a\r\n":        "GET / HTTP/1.1\r\nHost: a:443\r\n",
		"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n":          "OPTIONS * HTTP/1.1\r\nHost: a\r\n",
	} {
		if resp, _ := c.send(request + "\r\n").response("GET"); resp.StatusCode != 200 {
			t.Fatalf("%q: %d", request, resp.StatusCode)
		}
		if got := <-e.heads; !strings.HasPrefix(got, want) {
			t.Errorf("the endpoint got %q, want %q", got, want)
		}
	}
}

// RFC 9110 §7.6.1.
func hopByHopFieldsEndHere(t *testing.T, d driver) {
	e := answer(t, "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nx-HOP: 2\r\n"+
		"Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok")
	c := d.start(t, []string{e.addr}).dial()
	for range 2 {
		c.send("GET / HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\nX-Hop: 1\r\nConnection: x-hop\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\nx-HOP: 2\r\n" +
			"Proxy-Connection: close\r\nProxy-Authorization: Basic eDp5\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-Also: 1\r\nConnection: , x-also,\r\n\r\n")
		c.expect("HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok")
		if got, want := <-e.heads, d.forwarded("GET /", "X-Kept: 1\r\n"); got != want {
			t.Errorf("the endpoint got %q, want %q", got, want)
		}
	}
}

// Whoever may name fields in Connection could take away what others rely on.
func connectionRemovesNothingEssential(t *testing.T, d driver) {
	const listed = "Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Via, Cookie, Authorization, X-Real-IP, X-Hop\r\n"
	e := answer(t, "HTTP/1.1 200 OK\r\nConnection: Content-Length, Set-Cookie, Content-Type, X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a=b\r\n"+
		"Content-Type: text/x\r\nContent-Length: 2\r\n\r\nok")
	c := d.start(t, []string{e.addr}).dial()
	c.send("GET / HTTP/1.1\r\nHost: a\r\n" + listed + "Cookie: c\r\nAuthorization: b\r\nX-Real-IP: 1.2.3.4\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Type: text/x\r\nContent-Length: 2\r\n\r\nok")
	want := d.forwarded("GET /", "Cookie: c\r\nAuthorization: b\r\nX-Real-IP: 1.2.3.4\r\nContent-Length: 0\r\n")
	if got := <-e.heads; got != want {
		t.Errorf("the endpoint got %q, want %q", got, want)
	}
	c.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").response("POST")
	if got := <-e.heads; !strings.Contains(got, "\r\nTransfer-Encoding: chunked\r\n") {
		t.Errorf("the endpoint got %q", got)
	}
}

const forged = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Kept: 1\r\nx-forwarded-for: 5.6.7.8\r\nX-Forwarded-Host: b\r\nVia: 1.0 other\r\n"

func forwardingFieldsAreOneLineAndOurs(t *testing.T, d driver) {
	e := answer(t, ok)
	d.start(t, []string{e.addr}).dial().send("GET / HTTP/1.1\r\nHost: a\r\n" + forged + "\r\n").response("GET")
	want := "GET / HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1\r\n" +
		"X-Forwarded-Proto: " + d.scheme() + "\r\nX-Forwarded-Host: a\r\nVia: 1.0 other, 1.1 spillway\r\n\r\n"
	if got := <-e.heads; got != want {
		t.Errorf("the endpoint got %q, want %q", got, want)
	}
}

func trustedProxySaysWhatWasAskedOfIt(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, withSettings(func(s *proxyhttp.Settings) { s.TrustedProxies = loopback }))
	b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n" + forged + "\r\n").response("GET")
	want := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Kept: 1\r\nX-Forwarded-Host: b\r\n" +
		"X-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1\r\nVia: 1.0 other, 1.1 spillway\r\n\r\n"
	if got := <-e.heads; got != want {
		t.Errorf("the endpoint got %q, want %q", got, want)
	}
}

// Routes look at a target's path as it is meant, and the endpoint gets it as it
// was sent.
func routesSeeThroughSpellings(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr}, func(b *bench) {
		b.settings.Routes = proxy.NewRoutes([]proxy.Route{{Host: "a", PathPrefix: "/v1/", Service: b.service}}, nil)
	})
	c := b.dial()
	for _, target := range []string{"/v1/x", "/%76%31/x", "/y/../v1/./x", "http://A:80/v1/"} {
		if resp, _ := c.send("GET " + target + " HTTP/1.1\r\nHost: A\r\n\r\n").response("GET"); resp.StatusCode != 200 {
			t.Errorf("%s: %d", target, resp.StatusCode)
		}
	}
	for _, target := range []string{"/v1/../x", "/v2/x", "/v1%2f..%2f..%2fx/../../y"} {
		if resp, _ := c.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n").response("GET"); resp.StatusCode == 200 {
			t.Errorf("%s: %d", target, resp.StatusCode)
		}
	}
}

func upgradesThatAreNoneGoOnAsRequests(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	for _, tc := range []struct{ line, fields, kept string }{
		{"GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", ""},
		{"GET / HTTP/1.1", "Upgrade: websocket\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n", ""},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", "Content-Length: 2\r\n"},
		{"GET / HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""},
	} {
		c := b.dial().send(tc.line + "\r\nHost: a\r\n" + tc.fields + "\r\n")
		if got, want := <-e.heads, d.forwarded("GET /", tc.kept); got != want {
			t.Errorf("%q: the endpoint got %q, want %q", tc.fields, got, want)
		}
		if resp, body := c.response("GET"); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("%q: %d %q", tc.fields, resp.StatusCode, body)
		}
	}
}

func oldRequestWithoutHostGetsOne(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	b.dial().send("GET / HTTP/1.0\r\n\r\n").all()
	if head := <-e.heads; !strings.Contains(head, "Host: "+b.addr+"\r\n") {
		t.Errorf("the endpoint got %q", head)
	}
}
