package admin_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
)

// asking is a proxy that notes what it is asked.
func asking(asked *[]string) admin.Options {
	return admin.Options{Explain: func(service string, q admin.Question) (admin.Explanation, error) {
		if service != "web" {
			return admin.Explanation{}, fmt.Errorf("%w: %q", admin.ErrNoService, service)
		}
		*asked = append(*asked, fmt.Sprintf("%v %v %q %q", q.Client, q.Destination, q.Headers, q.Avoid))
		return admin.Explanation{Service: service, Endpoint: "a", Key: "00000000000000ff"}, nil
	}}
}

func TestAQuestionArrivesAsItWasAsked(t *testing.T) {
	var asked []string
	s := serve(t, asking(&asked))
	q := admin.Question{
		Client: netip.MustParseAddrPort("192.0.2.1:4711"), Destination: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Headers: []string{"X-User: a&b=c+d %zz é", "Cookie: sid=1"}, Avoid: []string{"unix:/run/a", "b"},
	}
	x, err := client(t, s.addr, "").Explain(t.Context(), "web", q)
	if err != nil || x.Endpoint != "a" || x.Key != "00000000000000ff" {
		t.Errorf("%+v, %v", x, err)
	}
	s.do("GET", "/api/v1/services/web/explain", "").want(t, 200)
	s.do("GET", "/api/v1/services/web/explain?client=::1&cookie=a%3Db&header=X:", "").want(t, 200)
	for i, want := range []string{
		`192.0.2.1:4711 [2001:db8::1]:443 ["X-User: a&b=c+d %zz é" "Cookie: sid=1"] ["unix:/run/a" "b"]`,
		`invalid AddrPort invalid AddrPort [] []`,
		`[::1]:0 invalid AddrPort ["Cookie: a=b" "X:"] []`,
	} {
		if asked[i] != want {
			t.Errorf("asked %s\nwant  %s", asked[i], want)
		}
	}
}

func TestABadQuestionIsRefused(t *testing.T) {
	var asked []string
	s := serve(t, asking(&asked))
	for _, query := range []string{
		"client=", "client=x", "client=1.2.3.4:x", "client=1.2.3.4:99999", "destination=example.com:80", "header=x", "header=:x", "header=", "cookie=x", "cookie==x",
		"x=y", "client=1.2.3.4&nope", "client=%00", "header=" + url.QueryEscape(strings.Repeat("x", 1000)),
	} {
		s.do("GET", "/api/v1/services/web/explain?"+query, "").want(t, 400)
	}
	s.do("GET", "/api/v1/services/web/explain?header=X:"+strings.Repeat("x", 16<<10), "").want(t, 431)
	s.do("GET", "/api/v1/services/nope/explain", "").want(t, 404)
	s.do("GET", "/api/v1/services/web/explain/", "").want(t, 404)
	s.do("POST", "/api/v1/services/web/explain", "").want(t, 405)
	if len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
	serve(t, admin.Options{}).do("GET", "/api/v1/services/web/explain", "").want(t, 501)
}

// FuzzAQuestionIsReadOrRefused: whatever the query, and what was read is read again.
func FuzzAQuestionIsReadOrRefused(f *testing.F) {
	f.Add("client", "192.0.2.1:80")
	f.Add("client", "fe80::1%eth0")
	f.Add("header", "X-User: alice")
	f.Add("cookie", "sid=1; x=2")
	f.Add("avoid", "")
	f.Fuzz(func(t *testing.T, what, value string) {
		var q admin.Question
		if err := q.Add(what, value); err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if !q.Client.IsValid() && !q.Destination.IsValid() && len(q.Headers)+len(q.Avoid) == 0 {
			t.Errorf("%q %q was read, and nothing is known", what, value)
		}
	})
}
