package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxDoc is how many lines a doc.go may have: a tour, not a manual.
const maxDoc = 60

func TestEveryPackageHasATour(t *testing.T) {
	for _, s := range sources(t) {
		if len(s.files) == 0 {
			continue // tests only
		}
		if s.dir == "examples" || strings.HasPrefix(s.dir, "examples/") || s.isCommand() {
			if !hasPackageComment(s) {
				t.Errorf("%s: no package comment", s.dir)
			}
			continue
		}
		doc, ok := s.files["doc.go"]
		if !ok || doc.Doc == nil {
			t.Errorf("%s: no doc.go with a package comment", s.dir)
			continue
		}
		if text := doc.Doc.Text(); !strings.HasPrefix(text, "Package "+doc.Name.Name+" ") {
			t.Errorf("%s: the package comment does not begin with %q", s.dir, "Package "+doc.Name.Name)
		}
		if n := lines(t, s.dir+"/doc.go"); n > maxDoc {
			t.Errorf("%s/doc.go has %d lines, more than %d", s.dir, n, maxDoc)
		}
	}
}

func hasPackageComment(s *source) bool {
	for _, f := range s.files {
		if f.Doc != nil {
			return true
		}
	}
	return false
}

func TestEveryLibraryPackageHasAnExample(t *testing.T) {
	for _, s := range sources(t) {
		if s.isLibrary() && s.name() != "balancetest" && !hasExample(s) {
			t.Errorf("%s: no Example with an // Output: comment", s.dir)
		}
	}
}

// hasExample looks for an example that go test runs: one without a line
// "Output:" at its end is only compiled.
func hasExample(s *source) bool {
	for _, f := range s.tests {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Example") {
				continue
			}
			for _, c := range f.Comments {
				text := strings.ToLower(strings.TrimSpace(c.Text()))
				inside := c.Pos() > fn.Body.Lbrace && c.End() < fn.Body.Rbrace
				if inside && (strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")) {
					return true
				}
			}
		}
	}
	return false
}

func lines(t *testing.T, file string) int {
	t.Helper()
	return strings.Count(read(t, file), "\n")
}

// read returns a file of the repository, by its path below root.
func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
