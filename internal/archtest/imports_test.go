package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestImportsKeepToTheTable(t *testing.T) {
	packages := sources(t)
	for _, s := range packages {
		for _, v := range violations(s.dir, s.imports()) {
			t.Error(v)
		}
	}
	for _, r := range table {
		if !slices.ContainsFunc(packages, func(s *source) bool { return covers(r.dir, s.dir) }) {
			t.Errorf("the table has a row for %s, which does not exist", r.dir)
		}
	}
}

func TestViolationsAreFoundAndExplained(t *testing.T) {
	for _, c := range []struct {
		dir, imports, want string
	}{
		{"balance", "health", "health"},
		{"balance", "time", "time"},
		{"balance", "github.com/valyala/fasthttp", "fasthttp"},
		{"affinity", "net/http", "net/http"},
		{"lb", "affinity", "affinity"},
		{"lb", "config", "config"},
		{"proxy/tcp", "proxy/http/h1", "proxy/http/h1"},
		{"proxy/http/h1", "bufio io", "io"},
		{"config", "lb", "lb"},
		{"cmd/spillway", "lb", "lb"},
		{"examples/quickstart", "internal/app", "internal/app"},
		{"lb/inner", "fmt", "no row"},
	} {
		got := violations(c.dir, strings.Fields(c.imports))
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s importing %s: %q, want one violation about %s", c.dir, c.imports, got, c.want)
		}
	}
	for _, r := range table {
		if r.why == "" {
			t.Errorf("%s: a rule without a reason", r.dir)
		}
		if got := violations(strings.Replace(r.dir, "...", "x", 1), slices.Concat([]string{"fmt"}, r.may)); len(got) > 0 {
			t.Errorf("%s: what it may import is refused: %q", r.dir, got)
		}
	}
}

// violations says what is wrong with a package's imports.
func violations(dir string, imports []string) []string {
	i := slices.IndexFunc(table, func(r rule) bool { return covers(r.dir, dir) })
	if i < 0 {
		return []string{fmt.Sprintf("%s has no row in table_test.go: say what it may import, and why", dir)}
	}
	r := table[i]
	var found []string
	for _, p := range imports {
		allowed := slices.ContainsFunc(r.may, func(m string) bool { return p == m || isModule(m) && strings.HasPrefix(p, m+"/") })
		if isStandard(p) {
			allowed = !slices.Contains(r.not, p)
		}
		if !allowed {
			found = append(found, fmt.Sprintf("%s must not import %s: %s", dir, p, r.why))
		}
	}
	return found
}

// covers reports whether pattern is dir, or ends in "/..." and dir is below it.
func covers(pattern, dir string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == above || strings.HasPrefix(dir, above+"/")
	}
	return pattern == dir
}

// isModule reports whether p belongs to somebody else: its first part is a host.
func isModule(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return strings.Contains(first, ".")
}

// isStandard reports whether p is of the standard library: neither somebody
// else's nor, by its first part, one of ours.
func isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !isModule(p) && !slices.ContainsFunc(table, func(r rule) bool {
		top, _, _ := strings.Cut(r.dir, "/")
		return top == first
	})
}
