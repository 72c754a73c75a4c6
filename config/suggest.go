package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// manyProblems is how many a file may have before guessing what was meant is
// given up: such a file is not this format, and guessing takes time.
const manyProblems = 200

// unknownKey notes a key that the struct has no field for: one that is refused, or a
// mistake, and then perhaps a near one.
func (l *loader) unknownKey(path, key string, section reflect.Type) {
	full := join(path, key)
	if why := refusedKeys[withoutIndices(path)][key]; why != "" {
		l.errorf(full, "is not supported: %s", why)
		return
	}
	known := keysOf(section)
	if len(l.problems) > manyProblems {
		l.errorf(full, "unknown key")
		return
	}
	if homes := homesOf(key, reflect.TypeFor[Config](), ""); len(homes) > 0 {
		l.errorf(full, "unknown key here; it belongs in %s", strings.Join(homes, " or "))
		return
	}
	if guess := nearest(key, known); guess != "" {
		l.errorf(full, "unknown key; did you mean %s?", guess)
		l.bad[join(path, guess)] = true // its absence is the same mistake
		return
	}
	l.errorf(full, "unknown key; known here: %s", strings.Join(known, ", "))
}

// keysOf returns the keys of a section in the order of its fields.
func keysOf(section reflect.Type) []string {
	var keys []string
	for i := range section.NumField() {
		if key, _ := keyOf(section.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// homesOf returns the sections below t, whose path is given, that have key.
func homesOf(key string, t reflect.Type, path string) []string {
	var homes []string
	for i := range t.NumField() {
		name, _ := keyOf(t.Field(i))
		section, header := t.Field(i).Type, "[%s]"
		switch section.Kind() {
		case reflect.Slice:
			section, header = section.Elem(), "[[%s]]"
		case reflect.Pointer:
			section = section.Elem()
		}
		if name == "" || section.Kind() != reflect.Struct || section == reflect.TypeFor[Endpoint]() {
			continue
		}
		below := join(path, name)
		if _, ok := fieldOf(reflect.New(section).Elem(), key); ok {
			homes = append(homes, fmt.Sprintf(header, below))
		}
		homes = append(homes, homesOf(key, section, below)...)
	}
	return homes
}

// nearest returns the word of known that word is most likely a misspelling of,
// or "". Up to a third of its letters may be wrong. Case and underscores do not
// count, nor does the "Sec" of Google's API, so "checkIntervalSec" finds
// check_interval.
func nearest(word string, known []string) string {
	best, least := "", len(word)/3+1
	for _, k := range known {
		if d := distance(squash(word), squash(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

func squash(word string) string {
	word = strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(word))
	return strings.TrimSuffix(word, "sec")
}

// distance is the number of bytes to insert, delete or change, or of neighbours
// to swap, to make b of a (optimal string alignment). Words too long to be a
// misspelling are infinitely far.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return math.MaxInt
	}
	var beforeLast, last, row [longest + 1]int // of the table whose [i][j] is the distance of a[:i] and b[:j]
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			switch {
			case i == 0 || j == 0:
				row[j] = i + j
			case a[i-1] == b[j-1]:
				row[j] = last[j-1]
			default:
				row[j] = 1 + min(last[j], row[j-1], last[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, row
	}
	return last[len(b)]
}
