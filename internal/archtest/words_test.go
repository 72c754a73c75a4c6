package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// avoided has the words that docs/glossary.md has a better one for. "backend",
// "target", "view" and "algorithm" are not among them: a backend is a service's use
// of a group, an algorithm says in which order groups are filled (the API's
// loadBalancingAlgorithm), and the others have meanings of their own elsewhere.
var avoided = map[string]string{
	"upstream":   "endpoint, or service",
	"upstreams":  "endpoints, or services",
	"node":       "endpoint",
	"nodes":      "endpoints",
	"cluster":    "service, or group",
	"clusters":   "services, or groups",
	"frontend":   "listener",
	"frontends":  "listeners",
	"entrypoint": "listener",
	"strategy":   "policy",
	"ticket":     "lease",
	"blacklist":  "eject",
	"overflow":   "spill",
}

// avoidedInLibraries is avoided where users import: there a server can only be
// an endpoint. Inside, the admin API has one.
var avoidedInLibraries = map[string]string{
	"server":  "endpoint",
	"servers": "endpoints",
}

func TestExportedNamesKeepToTheGlossary(t *testing.T) {
	for _, s := range sources(t) {
		for _, f := range s.files {
			for _, name := range exported(f) {
				for _, v := range badWords(name, s.isLibrary()) {
					t.Errorf("%s: %s", s.dir, v)
				}
			}
		}
	}
}

func TestAvoidedWordsAreFoundInsideNames(t *testing.T) {
	for name, bad := range map[string]bool{
		"Upstream": true, "NewUpstream": true, "HTTPServer": true, "ServerHTTP": true, "PickNode": true,
		"Observer": false, "Backend": false, "Notes": false, "Endpoint": false, "Preserve": false,
	} {
		if got := badWords(name, true); (len(got) > 0) != bad {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func badWords(name string, library bool) []string {
	var found []string
	for _, w := range words(name) {
		better, ok := avoided[w]
		if !ok && library {
			better, ok = avoidedInLibraries[w]
		}
		if ok {
			found = append(found, name+" says "+w+"; our word is "+better+" (docs/glossary.md)")
		}
	}
	return found
}

// words cuts a name where its case changes: "HTTPServerID" is http, server, id.
func words(name string) []string {
	var all []string
	r := []rune(name)
	start := 0
	for i := 1; i <= len(r); i++ {
		end := i == len(r) ||
			unicode.IsUpper(r[i]) && !unicode.IsUpper(r[i-1]) ||
			unicode.IsUpper(r[i]) && i+1 < len(r) && unicode.IsLower(r[i+1])
		if end {
			all = append(all, strings.ToLower(string(r[start:i])))
			start = i
		}
	}
	return all
}

// exported returns the exported names that f declares, those of methods and
// fields included.
func exported(f *ast.File) []string {
	var all []string
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				all = append(all, id.Name)
			}
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d.Name)
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					add(spec.Names...)
				case *ast.TypeSpec:
					add(spec.Name)
					ast.Inspect(spec.Type, func(n ast.Node) bool {
						if field, ok := n.(*ast.Field); ok {
							add(field.Names...)
						}
						return true
					})
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
