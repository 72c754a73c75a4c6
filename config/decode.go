package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A loader turns the tree of values that the toml package reads into a Config,
// and gathers problems on the way instead of stopping at the first.
type loader struct {
	file     string
	places   places            // what was written, and where
	flags    map[string]string // the flag that wrote a path, for FromFlags
	problems []*Problem
	bad      map[string]bool // paths that have a problem already
	getenv   func(string) (string, bool)
}

// errorf notes a problem with the key at path, unless it has one already: what
// follows from a first mistake is noise.
func (l *loader) errorf(path, format string, args ...any) {
	if !l.bad[path] {
		l.bad[path] = true
		l.note(path, false, fmt.Sprintf(format, args...))
	}
}

// warnf notes what may be meant, but probably is not.
func (l *loader) warnf(path, format string, args ...any) {
	l.note(path, true, fmt.Sprintf(format, args...))
}

func (l *loader) note(path string, warning bool, message string) {
	key := withoutIndices(path)
	if flag, ok := l.flags[key]; ok {
		key = flag
	}
	l.problems = append(l.problems, &Problem{
		File: l.file, Line: l.places.line(path), Key: key, Message: message, Warning: warning,
	})
}

// has reports whether the key at path is in the file, be it with a zero value.
func (l *loader) has(path string) bool {
	_, ok := l.places[path]
	return ok
}

var index = regexp.MustCompile(`\[\d+\]`)

// withoutIndices makes "service.backend.group" of "service[1].backend[0].group".
func withoutIndices(path string) string { return index.ReplaceAllString(path, "") }

// table decodes a table into the struct v, which gets its defaults first.
func (l *loader) table(path string, table map[string]any, v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if original, ok := aliasOf(v.Type(), key); ok {
			l.alias(path, key, original, table, v)
		} else if field, ok := fieldOf(v, key); ok {
			l.value(join(path, key), table[key], field)
		} else {
			l.unknownKey(path, key, v.Type())
		}
	}
}

// keyOf returns a field's key in the file and whether its zero value is left out
// when printed. The key is "" for fields that are not in the file.
func keyOf(f reflect.StructField) (key string, omitZero bool) {
	key, option, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if key == "-" {
		return "", false
	}
	return key, option == "omitzero"
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if k, _ := keyOf(v.Type().Field(i)); k != "" && k == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// value decodes raw into v, a field or an element of one.
func (l *loader) value(path string, raw any, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		l.duration(path, raw, p)
		return
	case *RedirectCode:
		l.redirectCode(path, raw, p)
		return
	case *Endpoint:
		if address, ok := raw.(string); ok {
			p.setDefaults()
			p.Address = l.expand(path, address)
			return
		}
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := raw.(string); ok {
			v.SetString(l.expand(path, s))
			return
		}
	case reflect.Bool:
		if b, ok := raw.(bool); ok {
			v.SetBool(b)
			return
		}
	case reflect.Int, reflect.Int64:
		if n, ok := raw.(int64); ok {
			v.SetInt(n)
			return
		}
	case reflect.Float64:
		switch n := raw.(type) {
		case float64:
			v.SetFloat(n)
			return
		case int64: // 1 for 1.0
			v.SetFloat(float64(n))
			return
		}
	case reflect.Uint32: // a weight
		if n, ok := raw.(int64); ok {
			if n < 0 || v.OverflowUint(uint64(n)) {
				l.errorf(path, "%d is not from 0 to %d", n, maxWeight)
				return
			}
			v.SetUint(uint64(n))
			return
		}
	case reflect.Struct:
		if t, ok := raw.(map[string]any); ok {
			l.table(path, t, v)
			return
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		l.value(path, raw, v.Elem())
		return
	case reflect.Map:
		if t, ok := raw.(map[string]any); ok {
			l.mapping(path, t, v)
			return
		}
	case reflect.Slice:
		if elements, ok := elementsOf(raw); ok {
			l.slice(path, elements, v)
			return
		}
	}
	l.errorf(path, "%s", wrongType(path, raw, v.Type()))
}

// slice decodes an array. An empty one is as none, so that what is printed
// parses back to the same Config.
func (l *loader) slice(path string, elements []any, v reflect.Value) {
	if len(elements) == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, raw := range elements {
		l.value(at(path, i), raw, v.Index(i))
	}
}

// elementsOf returns the elements of an array, which the toml package represents
// in one of two ways.
func elementsOf(raw any) ([]any, bool) {
	switch a := raw.(type) {
	case []any:
		return a, true
	case []map[string]any:
		elements := make([]any, len(a))
		for i := range a {
			elements[i] = a[i]
		}
		return elements, true
	}
	return nil, false
}

func (l *loader) mapping(path string, table map[string]any, v reflect.Value) {
	if len(table) == 0 {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(table)))
	for key, raw := range table {
		element := reflect.New(v.Type().Elem()).Elem()
		l.value(join(path, key), raw, element)
		v.SetMapIndex(reflect.ValueOf(key), element)
	}
}

func (l *loader) duration(path string, raw any, d *Duration) {
	switch v := raw.(type) {
	case string:
		parsed, err := time.ParseDuration(l.expand(path, v))
		switch {
		case err != nil:
			l.errorf(path, `%q is not a duration: write a number and a unit, such as "30s", "500ms" or "1h"`, v)
		case parsed < 0:
			l.errorf(path, "must not be negative")
		}
		*d = Duration(parsed)
	case int64:
		l.errorf(path, `must have a unit, in quotes: "%ds" is %d seconds`, v, v)
	default:
		l.errorf(path, `must be a duration in quotes, such as "30s", not %s`, typeName(raw))
	}
}

// redirectCode takes a number, or the name that it has in the API.
func (l *loader) redirectCode(path string, raw any, code *RedirectCode) {
	word, isWord := raw.(string)
	if isWord {
		word = l.expand(path, word)
	}
	for n, name := range redirectCodes {
		if raw == int64(n) || isWord && strings.EqualFold(word, name) {
			*code = n
			return
		}
	}
	var choice []string
	for _, n := range slices.Sorted(maps.Keys(redirectCodes)) {
		choice = append(choice, fmt.Sprintf("%d (%s)", n, redirectCodes[n]))
	}
	l.errorf(path, "must be one of %s, not %s", strings.Join(choice, ", "), typeName(raw))
}

// expand puts environment variables in place of ${NAME}; "$${" stands for "${".
// The text of a variable is never read as TOML, so it cannot break the file.
func (l *loader) expand(path, s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		if !found {
			b.WriteString(s)
			break
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(before[:len(before)-1])
			b.WriteString("${")
			s = after
			continue
		}
		b.WriteString(before)
		name, rest, closed := strings.Cut(after, "}")
		if !closed || !isVariable(name) {
			l.errorf(path, `"${" does not begin a ${NAME}: write "$${" for the two characters themselves`)
			return ""
		}
		value, set := l.getenv(name)
		if !set {
			l.errorf(path, "the environment variable %s is not set", name)
			return ""
		}
		b.WriteString(value)
		s = rest
	}
	if !utf8.ValidString(b.String()) {
		l.errorf(path, "is not valid UTF-8")
		return ""
	}
	return b.String()
}

func isVariable(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isBareByte(c) || c == '-' || i == 0 && '0' <= c && c <= '9' {
			return false
		}
	}
	return name != ""
}

// wrongType says what was expected in the words of TOML, and how to write it
// where a habit from elsewhere can be guessed.
func wrongType(path string, raw any, want reflect.Type) string {
	isTables := want.Kind() == reflect.Slice && want.Elem().Kind() == reflect.Struct && want.Elem() != reflect.TypeFor[Endpoint]()
	_, isTable := raw.(map[string]any)
	key := withoutIndices(path)
	switch {
	case isTables && isTable:
		return fmt.Sprintf("there can be several: write [[%s]]", key)
	case isTables:
		return fmt.Sprintf("must be tables, not %s: write [[%s]]", typeName(raw), key)
	case want.Kind() == reflect.Struct && strings.HasPrefix(typeName(raw), "an array") && want != reflect.TypeFor[Endpoint]():
		return fmt.Sprintf("there is only one: write [%s]", key)
	}
	got := typeName(raw)
	if _, isString := raw.(string); isString && strings.HasSuffix(key, "strong_session_affinity_cookie.keys") {
		got = "a string" // a secret, maybe
	}
	message := fmt.Sprintf("must be %s, not %s", wantedName(want), got)
	if want.Kind() == reflect.String && isNumber(raw) {
		message += ": put it in quotes"
	}
	return message
}

func isNumber(raw any) bool {
	switch raw.(type) {
	case int64, float64:
		return true
	}
	return false
}

func wantedName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "an array"
	case reflect.Map:
		return "a table"
	case reflect.Struct:
		if t == reflect.TypeFor[Endpoint]() {
			return "an address or a table"
		}
		return "a table"
	}
	return "an integer"
}

func typeName(raw any) string {
	switch v := raw.(type) {
	case string:
		return "the string " + strconv.Quote(v)
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case float64:
		return "a float"
	case bool:
		return fmt.Sprintf("%t", v)
	case map[string]any:
		return "a table"
	case time.Time:
		return "a date"
	}
	return "an array"
}
