package proxy

import (
	"strings"
	"testing"
)

func TestRewriteReplacesWhatThePrefixMatched(t *testing.T) {
	for _, tc := range []struct{ prefix, path, other, want string }{
		{"/v1/", "/v1/x", "/", "/x"},
		{"/v1/", "/v1/", "/api/", "/api/"},
		{"/v1", "/v1", "/api", "/api"},
		{"/v1", "/v12/x", "/api", "/api2/x"},
		{"/v1", "/v1/x", "/", "//x"}, // to the letter; the file's check warns
		{"/", "/x", "/api/", "/api/x"},
		{"", "/x", "/api/", "/api/x"},
		{"/", "*", "/api/", "*"}, // OPTIONS about the server as a whole
		// What has no other spelling stays byte for byte.
		{"/v1/", "/v1/a%2Fb;c=d//e%20%C3%A4/", "/", "/a%2Fb;c=d//e%20%C3%A4/"},
		{"/v1/", "/v1/100%", "/", "/100%"},
		// The rest is spelled as routes compare it.
		{"/v1/", "/%76%31/x", "/api/", "/api/x"},
		{"/v1/", "/v1/%7Euser", "/api/", "/api/~user"},
		{"/v1/", "/a/../v1/x", "/api/", "/api/x"},
		{"/v1/", "/v1/./x/../y", "/api/", "/api/y"},
		{"/v1/", "/v1/../v1/%2e%2e/v1/x", "/api/", "/api/x"},
		// What an endpoint could resolve to something else is refused.
		{"/v1", "/v1../secret", "/files/", ""},
		{"/v1", "/v1%2e./secret", "/files/", ""},
		{"/v1", "/v1./x", "/files/", ""},
		{"/v1/", "/v1/%2%65%2%65/secret", "/files/", ""},
	} {
		r := &NewRoutes([]Route{{PathPrefix: tc.prefix}}, nil).routes[0]
		got, ok := r.AppendRewritten([]byte("GET "), []byte(tc.path), tc.other)
		if ok != (tc.want != "") || ok && string(got) != "GET "+tc.want {
			t.Errorf("%s of %s by %s: %q %v, want %q", tc.prefix, tc.path, tc.other, got, ok, tc.want)
		}
	}
}

// FuzzRewrite checks that what comes out of a rewrite lies below the new prefix,
// however often it is resolved.
func FuzzRewrite(f *testing.F) {
	f.Add("/v1", "/v1../x")
	f.Add("/v1/", "/v1/%2%65%2%65/x")
	f.Add("/", "/a/%2e%2E/../b")
	f.Add("/a", "/%61"+strings.Repeat("/%61/..", 200))
	f.Fuzz(func(t *testing.T, prefix, path string) {
		table := NewRoutes([]Route{{PathPrefix: prefix}, {Host: "never"}}, nil)
		r := table.Match([]byte("x"), []byte(path))
		if r == nil || !strings.HasPrefix(path, "/") {
			return
		}
		out, ok := r.AppendRewritten(nil, []byte(path), "/new/")
		if !ok {
			return
		}
		if !strings.HasPrefix(string(out), "/new/") {
			t.Fatalf("%q became %q", path, out)
		}
		if clean := cleanPath(nil, append([]byte(nil), out...)); string(clean) != string(out) {
			t.Fatalf("%q became %q, which is another path: %q", path, out, clean)
		}
	})
}

func TestLocationIsMadeOfTheRequestsURL(t *testing.T) {
	type d = Redirect
	for _, tc := range []struct {
		d       Redirect
		request string // authority, path and query
		want    string
	}{
		{d{Path: "/new"}, "a /old/x ?q=1", "http://a/new?q=1"},
		{d{Path: "/new", StripQuery: true}, "a /old/x ?q=1", "http://a/new"},
		{d{Prefix: "/new/"}, "a:8080 /old/x%2Fy ?q", "http://a:8080/new/x%2Fy?q"},
		{d{Prefix: "/new/"}, "a /old/../old/%78 ", "http://a/new/x"},
		{d{Prefix: "/new/"}, "a * ", "http://a/"},
		{d{Host: "b:8443"}, "a:80 /old//x ?", "http://b:8443/old//x?"},
		{d{Host: "b:80", HTTPS: true}, "a /old/ ", "https://b:80/old/"},
		{d{HTTPS: true}, "a /old/x ?q=http://b/", "https://a/old/x?q=http://b/"},
		{d{HTTPS: true}, "a:8080 /old/ ", "https://a:8080/old/"},
		{d{HTTPS: true}, "a:80 /old/ ", "https://a/old/"},
		{d{HTTPS: true}, "[::1]:80 /old/ ", "https://[::1]/old/"},
		{d{HTTPS: true}, "[::80] /old/ ", "https://[::80]/old/"},
		{d{HTTPS: true}, "a: /old/ ", "https://a/old/"},
		// A path is no host.
		{d{Host: "b"}, "a //evil.example/x ", "http://b//evil.example/x"},
		{d{HTTPS: true}, "a //evil.example/x ", "https://a//evil.example/x"},
		{d{Prefix: "/"}, "a /old//evil.example ", "http://a//evil.example"},
		{d{Prefix: "/new/"}, "a /old/%2%65%2%65/x ", ""},
	} {
		in := strings.Split(tc.request, " ")
		r := &Route{PathPrefix: "/old/"}
		w := &Wanted{Authority: []byte(in[0]), Path: []byte(in[1]), Query: []byte(in[2])}
		got, ok := tc.d.AppendLocation(nil, r, w)
		if ok != (tc.want != "") || ok && string(got) != tc.want {
			t.Errorf("%+v of %s: %s %v, want %s", tc.d, tc.request, got, ok, tc.want)
		}
	}
	got, _ := (&Redirect{Path: "/new"}).AppendLocation(nil, new(Route), &Wanted{HTTPS: true, Authority: []byte("a:80")})
	if string(got) != "https://a:80/new" {
		t.Errorf("where the client came by HTTPS: %s", got)
	}
}

func TestHeaderEditRemovesBeforeItAdds(t *testing.T) {
	e, err := NewHeaderEdit([]string{"X-Gone", "x-both"}, []HeaderField{
		{Name: "X-Both", Value: "1"},
		{Name: "X-More", Value: "1"},
		{Name: "X-More", Value: "2"},
		{Name: "X-Lost", Value: "1"},
		{Name: "x-lost", Value: "2", Replace: true},
		{Name: "X-Empty"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.Drop(), " "); got != "x-gone x-both x-lost" {
		t.Errorf("drops %s", got)
	}
	if got := string(e.Lines()); got != "X-Both: 1\r\nX-More: 1\r\nX-More: 2\r\nx-lost: 2\r\nX-Empty: \r\n" {
		t.Errorf("adds %q", got)
	}
}

func TestHeaderEditRefusesWhatBreaksAMessage(t *testing.T) {
	for _, name := range append([]string{"", "a b", "a:", "a\r\nb", "ä", "Host", "TRANSFER-encoding"}, unedited...) {
		if _, err := NewHeaderEdit([]string{name}, nil); err == nil {
			t.Errorf("%q is removed", name)
		}
		if _, err := NewHeaderEdit(nil, []HeaderField{{Name: name, Value: "x"}}); err == nil {
			t.Errorf("%q is added", name)
		}
	}
	for _, value := range []string{"a\nb", "a\r", "\x00", "\x7f", "x\r\nContent-Length: 1"} {
		if _, err := NewHeaderEdit(nil, []HeaderField{{Name: "X-A", Value: value}}); err == nil {
			t.Errorf("%q is a value", value)
		}
	}
	if _, err := NewHeaderEdit([]string{"Forwarded", "X-Forwarded-Port", "Set-Cookie"}, []HeaderField{{Name: "!#$%&'*+-.^_`|~", Value: "\tä"}}); err != nil {
		t.Error(err)
	}
}
