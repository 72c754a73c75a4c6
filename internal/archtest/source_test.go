package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's directory.
const root = "../.."

const module = "github.com/spillway-lb/spillway"

// A source is one package of the module: every Go file of its directory, for
// whatever system, without tests.
type source struct {
	dir   string // below root, with slashes; "balance/balancetest"
	files map[string]*ast.File
	tests map[string]*ast.File
}

// sources parses the module. Directories that Go ignores and modules of their
// own are left out.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if p != root {
			if base := d.Name(); base == "testdata" || base[0] == '.' || base[0] == '_' {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
				return fs.SkipDir
			}
		}
		s, err := parse(p)
		if err == nil && len(s.files)+len(s.tests) > 0 {
			all = append(all, s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("found %d packages: this test looks in the wrong place", len(all))
	}
	return all
}

func parse(dir string) (*source, error) {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	s := &source{dir: filepath.ToSlash(rel), files: map[string]*ast.File{}, tests: map[string]*ast.File{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if name := filepath.Base(p); strings.HasSuffix(name, "_test.go") {
			s.tests[name] = f
		} else {
			s.files[name] = f
		}
	}
	return s, nil
}

// name is the package's name, for package main its directory's.
func (s *source) name() string { return path.Base(s.dir) }

// isCommand reports whether s is a program.
func (s *source) isCommand() bool {
	for _, f := range s.files {
		return f.Name.Name == "main"
	}
	return false
}

// isLibrary reports whether programs of others can import s.
func (s *source) isLibrary() bool {
	return len(s.files) > 0 && !s.isCommand() && !slices.Contains(strings.Split(s.dir, "/"), "internal")
}

// imports returns what files import, each path once, sorted; packages of ours
// by their directory.
func (s *source) imports() []string {
	var all []string
	for _, f := range s.files {
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				panic(err) // the parser has seen it
			}
			all = append(all, strings.TrimPrefix(p, module+"/"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
