package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Print writes the Config as a file in which every default is filled in. Parse
// makes the same Config of it. What the environment gave is written out.
func (c *Config) Print(w io.Writer) error {
	var p printer
	p.table("", reflect.ValueOf(c).Elem())
	_, err := w.Write(bytes.TrimLeft(p.Bytes(), "\n"))
	return err
}

// printer writes TOML. Empty strings, arrays and tables are left out, for they
// are read as if they were not there.
type printer struct{ bytes.Buffer }

// table writes the keys of a section, and below them the sections inside it, as
// TOML wants it.
func (p *printer) table(path string, v reflect.Value) {
	for i := range v.NumField() {
		key, omitZero := keyOf(v.Type().Field(i))
		f := v.Field(i)
		if key == "" || isSection(f.Type()) || omitZero && f.IsZero() || isEmpty(f) {
			continue
		}
		fmt.Fprintf(p, "%s = ", key)
		p.value(f)
		p.WriteByte('\n')
	}
	for i := range v.NumField() {
		key, omitZero := keyOf(v.Type().Field(i))
		f := v.Field(i)
		if key != "" && isSection(f.Type()) && !isEmpty(f) && !(omitZero && f.IsZero()) {
			p.section(join(path, key), f)
		}
	}
}

func (p *printer) section(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			fmt.Fprintf(p, "\n[[%s]]\n", path)
			p.table(path, v.Index(i))
		}
	case reflect.Pointer:
		p.section(path, v.Elem())
	default:
		fmt.Fprintf(p, "\n[%s]\n", path)
		p.table(path, v)
	}
}

// isSection reports whether a field has headers of its own. Endpoints are written
// inside the brackets of their key.
func isSection(t reflect.Type) bool {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Endpoint]()
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil()
	}
	return false
}

func (p *printer) value(v reflect.Value) {
	switch x := v.Interface().(type) {
	case Duration:
		p.quote(x.String())
	case *Duration:
		p.quote(x.String())
	case *float64:
		fmt.Fprint(p, *x)
	case *bool:
		fmt.Fprint(p, *x)
	case string:
		p.quote(x)
	case []string:
		p.WriteByte('[')
		for i, s := range x {
			if i > 0 {
				p.WriteString(", ")
			}
			p.quote(s)
		}
		p.WriteByte(']')
	case []Endpoint:
		p.WriteString("[\n")
		for _, e := range x {
			p.endpoint(e)
		}
		p.WriteByte(']')
	case map[string]int:
		p.WriteString("{ ")
		for i, key := range slices.Sorted(maps.Keys(x)) {
			if i > 0 {
				p.WriteString(", ")
			}
			fmt.Fprintf(p, "%s = %d", join("", key), x[key])
		}
		p.WriteString(" }")
	default: // integers and booleans are the same in Go
		fmt.Fprint(p, x)
	}
}

// endpoint writes just the address where that says all.
func (p *printer) endpoint(e Endpoint) {
	p.WriteString("  ")
	if e.Weight == 1 && e.Max == 0 && e.Zone == "" && (e.ID == e.Address || e.ID == "") {
		p.quote(e.Address)
	} else {
		p.WriteString("{ address = ")
		p.quote(e.Address)
		if e.ID != "" {
			p.WriteString(", id = ")
			p.quote(e.ID)
		}
		if e.Zone != "" {
			p.WriteString(", zone = ")
			p.quote(e.Zone)
		}
		fmt.Fprintf(p, ", weight = %d, max = %d }", e.Weight, e.Max)
	}
	p.WriteString(",\n")
}

// quote writes a basic string of TOML in which nothing is taken for a variable.
func (p *printer) quote(s string) {
	p.WriteByte('"')
	for _, r := range strings.ReplaceAll(s, "${", "$${") {
		switch {
		case r == '\n':
			p.WriteString(`\n`)
		case r == '\r':
			p.WriteString(`\r`)
		case r == '"' || r == '\\':
			p.WriteByte('\\')
			p.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(p, `\u%04X`, r)
		default:
			p.WriteRune(r)
		}
	}
	p.WriteByte('"')
}
