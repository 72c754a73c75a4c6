package proxy

import (
	"path"
	"strings"
	"testing"
)

func TestFirstRouteThatMatchesWins(t *testing.T) {
	services := make(map[string]*Service)
	named := func(name string) *Service {
		if services[name] == nil {
			services[name] = &Service{Name: name}
		}
		return services[name]
	}
	table := NewRoutes([]Route{
		{Host: "api.example.com", PathPrefix: "/v1/", Service: named("v1")},
		{Host: "api.example.com", PathPrefix: "/", Service: named("api")},
		{Host: "*.example.com", Service: named("any")},
		{Host: "[::1]", Service: named("v6")},
		{PathPrefix: "/static/", Service: named("static")},
	}, named("fallback"))
	for _, tc := range []struct{ authority, path, want string }{
		{"api.example.com", "/v1/users", "v1"},
		{"API.Example.COM:8080", "/v1/users", "v1"},
		{"api.example.com.", "/v1/", "v1"},
		{"api.example.com", "/v1", "api"},
		{"api.example.com", "/v2/../v1/x", "v1"},
		{"api.example.com", "/%76%31/x", "v1"},
		{"api.example.com", "/v1%2Fx", "api"}, // an encoded slash is not a slash
		{"api.example.com", "/v1/..", "api"},
		{"api.example.com", "*", "api"},
		{"a.b.example.com", "/", "any"},
		{"example.com", "/", "fallback"}, // "*." wants a name in front
		{"xexample.com", "/", "fallback"},
		{"[::1]:80", "/", "v6"},
		{"[::1]", "/", "v6"},
		{"", "/static/x", "static"},
		{"other", "/x", "fallback"},
		{"other", "//static/x", "fallback"},
		{"other", "/a/./../static/", "static"},
	} {
		r := table.Match([]byte(tc.authority), []byte(tc.path))
		if r == nil || r.Service.Name != tc.want {
			t.Errorf("%q %q: got %v, want %s", tc.authority, tc.path, r, tc.want)
		}
	}
	if r := NewRoutes(nil, nil).Match([]byte("a"), []byte("/")); r != nil {
		t.Errorf("an empty table matched: %v", r)
	}
	long := "/" + strings.Repeat("%61", 1000)
	if r := table.Match([]byte("x"), []byte(long)); r == nil || r.Service.Name != "fallback" {
		t.Errorf("a path longer than the scratch buffer: %v", r)
	}
}

// FuzzCleanPath compares with path.Clean, which also joins slashes and cuts the
// last one: with paths that have no empty segment the two agree.
func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a/../b", "/./a/.", "/..", "/a/%2e%2E/b", "/%", "/%4", "/%zz/.", "/a/b/.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.HasPrefix(s, "/") {
			return
		}
		in := s
		got := string(cleanPath(nil, []byte(s)))
		if s != in {
			t.Fatalf("cleanPath changed its argument")
		}
		if !strings.HasPrefix(got, "/") {
			t.Fatalf("%q: got %q, which does not begin with a slash", s, got)
		}
		if strings.Contains(got+"/", "/../") || strings.Contains(got+"/", "/./") {
			t.Fatalf("%q: dot segments are left in %q", s, got)
		}
		if !strings.Contains(s, "%") && !strings.Contains(s, "//") {
			if a, b := strings.TrimSuffix(got, "/"), strings.TrimSuffix(path.Clean(s), "/"); a != b {
				t.Fatalf("%q: got %q, path.Clean says %q", s, a, b)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	table := NewRoutes([]Route{{Host: "*.example.com", PathPrefix: "/v1/"}, {Host: "api.example.com", PathPrefix: "/v2/"}}, &Service{})
	host, target := []byte("api.example.com:8080"), []byte("/v2/users/17")
	b.ReportAllocs()
	for b.Loop() {
		if table.Match(host, target) == nil {
			b.Fatal("no match")
		}
	}
}
