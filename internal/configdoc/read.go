package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// A section is one table of the file.
type section struct {
	header string // "[log]", "[[listener.route]]"
	doc    string // the comment of its type
	keys   []key
}

// A key is one field.
type key struct {
	name, kind, fallback, meaning string
}

// A structType is a struct of package config with its comment.
type structType struct {
	doc    string
	fields []*ast.Field
}

// readStructs returns the struct types of the package in dir, by name.
func readStructs(dir string) (map[string]structType, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	structs := map[string]structType{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				t := spec.(*ast.TypeSpec)
				if s, ok := t.Type.(*ast.StructType); ok {
					structs[t.Name.Name] = structType{oneLine(g.Doc.Text()), s.Fields.List}
				}
			}
		}
	}
	if _, ok := structs["Config"]; !ok {
		return nil, fmt.Errorf("no type Config in %s", dir)
	}
	return structs, nil
}

// sectionsOf returns the sections of the file in the order of the fields, each
// before those inside it. An endpoint is a section without a header, last.
func sectionsOf(structs map[string]structType) []section {
	var all []section
	var add func(name, path, header string)
	add = func(name, path, header string) {
		s := section{header: header, doc: structs[name].doc}
		at := len(all)
		all = append(all, s)
		for _, f := range structs[name].fields {
			k := tomlName(f)
			if k == "" {
				continue
			}
			below := strings.TrimPrefix(path+"."+k, ".")
			inner, list := elementType(f.Type)
			if _, isStruct := structs[inner]; isStruct && inner != "Endpoint" {
				header := "[" + below + "]"
				if list {
					header = "[" + header + "]"
				}
				add(inner, below, header)
			}
			if path != "" { // the sections themselves are no keys
				s.keys = append(s.keys, newKey(k, f, structs))
			}
		}
		all[at].keys = s.keys
	}
	add("Config", "", "")
	endpoint := section{header: "An endpoint", doc: structs["Endpoint"].doc}
	for _, f := range structs["Endpoint"].fields {
		if k := tomlName(f); k != "" {
			endpoint.keys = append(endpoint.keys, newKey(k, f, structs))
		}
	}
	return append(all[1:], endpoint)
}

func newKey(name string, f *ast.Field, structs map[string]structType) key {
	meaning, fallback := splitDefault(oneLine(f.Doc.Text()))
	return key{name: name, kind: kindOf(f.Type, structs), fallback: fallback, meaning: meaning}
}

// splitDefault takes "Default: …." out of a comment. What follows the sentence
// stays with the meaning; a required key says so in place of a default.
func splitDefault(doc string) (meaning, fallback string) {
	if before, required := strings.CutSuffix(doc, "Required."); required {
		return strings.TrimSpace(before), "required"
	}
	before, after, found := strings.Cut(doc, "Default: ")
	if !found {
		return doc, ""
	}
	fallback, rest, _ := strings.Cut(after, ". ")
	return strings.TrimSpace(before + rest), strings.TrimSuffix(fallback, ".")
}

func tomlName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("toml"), ",")
	return strings.TrimPrefix(name, "-")
}

// elementType returns the name of a field's type, without pointer and slice, and
// whether it was a slice.
func elementType(t ast.Expr) (name string, list bool) {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name, false
	case *ast.StarExpr:
		return elementType(t.X)
	case *ast.ArrayType:
		name, _ = elementType(t.Elt)
		return name, true
	}
	return "", false
}

// kindOf says what a value looks like in the file.
func kindOf(t ast.Expr, structs map[string]structType) string {
	name, list := elementType(t)
	_, isStruct := structs[name]
	switch {
	case name == "Endpoint":
		return "list of strings and tables"
	case list && isStruct:
		return "tables"
	case isStruct:
		return "table"
	case list:
		return "list of strings"
	case name == "Duration":
		return "duration"
	case name == "string":
		return "string"
	case name == "bool":
		return "boolean"
	case name == "float64":
		return "number"
	case name == "RedirectCode":
		return "integer or string"
	case name == "":
		return "table of integers"
	}
	return "integer"
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
