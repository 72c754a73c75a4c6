package config

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// places has the line of every key, table and array element of a file, by its
// path: "service[1].endpoints[0].weight". The toml package says where a syntax
// error is, but not where a value stood that turns out to be wrong later.
type places map[string]int

// line returns the line of path, or of what encloses it if path is not in the
// file; 0 if nothing does.
func (p places) line(path string) int {
	for path != "" {
		if line, ok := p[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// join appends a key to a path, quoted unless it is bare, so that the key "a.b"
// is not taken for b in a.
func join(path, key string) string {
	if !isBare(key) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// at appends an index to a path.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func isBare(key string) bool {
	for i := range len(key) {
		if !isBareByte(key[i]) {
			return false
		}
	}
	return key != ""
}

func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// maxDepth bounds the nesting of values and the parts of a dotted key. A valid
// file needs four. The toml package recurses without a bound, so a file of a
// million brackets would end the process, not just the parse.
const maxDepth = 32

// locate finds the places in a TOML document. tooDeep is the line where the
// document passes maxDepth, and then the rest was not read; otherwise 0.
//
// The document need not be valid: of its valid beginning, all is found, and that
// is all that the toml package will read either.
func locate(src []byte) (found places, tooDeep int) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	s := scanner{src: src, line: 1, found: places{}, tables: map[string]int{}}
	s.document()
	return s.found, s.tooDeep
}

// scanner walks over a document. Every loop of it either moves on or ends.
type scanner struct {
	src     []byte
	pos     int
	line    int
	found   places
	tables  map[string]int // how many [[path]] there were so far
	tooDeep int
}

// document reads headers and "key = value" lines.
func (s *scanner) document() {
	table := ""
	for s.space(); s.more(); s.space() {
		if s.peek() == '[' {
			table = s.header()
		} else {
			s.pair(table, 0)
		}
		s.restOfLine()
	}
}

// header reads [a.b] or [[a.b]] and returns the path of the table it begins.
// Within a path, an array of tables stands for its last element so far.
func (s *scanner) header() string {
	line := s.line
	s.next()
	array := s.accept('[')
	path, key := "", s.key()
	for i, part := range key {
		path = join(path, part)
		last := i == len(key)-1
		if _, known := s.found[path]; !known || last && !array {
			s.found[path] = line
		}
		if last && array {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path = at(path, n-1)
			if last {
				s.found[path] = line
			}
		}
	}
	return path
}

// pair reads "a.b = value" of the table at path.
func (s *scanner) pair(path string, depth int) {
	for _, part := range s.key() {
		path = join(path, part)
		if _, known := s.found[path]; !known {
			s.found[path] = s.line
		}
	}
	if s.accept('=') {
		s.blank()
		s.value(path, depth)
	}
}

// key reads a dotted key and the blanks around it.
func (s *scanner) key() []string {
	var parts []string
	for {
		s.blank()
		var part string
		switch c := s.peek(); {
		case c == '"' || c == '\'':
			part = s.quotedKey()
		case isBareByte(c):
			start := s.pos
			for isBareByte(s.peek()) {
				s.next()
			}
			part = string(s.src[start:s.pos])
		default:
			return parts
		}
		parts = append(parts, part)
		if len(parts) > maxDepth {
			s.giveUp()
			return nil
		}
		s.blank()
		if !s.accept('.') {
			return parts
		}
	}
}

// quotedKey reads a key in quotes. The rare one with escapes goes to the toml
// package, so that both mean the same key.
func (s *scanner) quotedKey() string {
	start := s.pos
	s.quoted()
	raw := string(s.src[start:s.pos])
	if raw[0] == '"' && strings.Contains(raw, `\`) {
		var v struct{ Key string }
		if _, err := toml.Decode("Key = "+raw, &v); err == nil {
			return v.Key
		}
	}
	return strings.Trim(raw, raw[:1])
}

// value reads any value, and notes the places inside it.
func (s *scanner) value(path string, depth int) {
	if depth > maxDepth {
		s.giveUp()
		return
	}
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.array(path, depth)
	case '{':
		s.inlineTable(path, depth)
	default: // a number, boolean or date
		for s.more() && !strings.ContainsRune(",]}#\n", rune(s.peek())) {
			s.next()
		}
	}
}

func (s *scanner) array(path string, depth int) {
	s.next()
	for i := 0; ; {
		s.space()
		if !s.more() || s.accept(']') {
			return
		}
		if s.accept(',') {
			continue
		}
		start, element := s.pos, at(path, i)
		s.found[element] = s.line
		s.value(element, depth+1)
		if s.pos == start { // such as a stray "}"
			s.next()
		}
		i++
	}
}

func (s *scanner) inlineTable(path string, depth int) {
	s.next()
	for {
		s.space()
		if !s.more() || s.accept('}') {
			return
		}
		start := s.pos
		s.pair(path, depth+1)
		if s.pos == start { // "," or what does not belong here
			s.next()
		}
	}
}

// quoted reads a string of any of the four kinds, up to the end of the line if a
// string of one line is not closed.
func (s *scanner) quoted() {
	quote := s.next()
	triple := []byte{quote, quote}
	long := bytes.HasPrefix(s.src[s.pos:], triple)
	if long {
		s.pos += 2
	}
	for s.more() {
		switch c := s.next(); {
		case c == '\\' && quote == '"':
			s.next()
		case c == '\n' && !long:
			return
		case c == quote && !long:
			return
		case c == quote && bytes.HasPrefix(s.src[s.pos:], triple):
			s.pos += 2
			for range 2 { // up to two quotes may end the text itself
				s.accept(quote)
			}
			return
		}
	}
}

// space skips blanks, line ends and comments; blank skips blanks only.
func (s *scanner) space() {
	for s.more() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			s.restOfLine()
		default:
			return
		}
	}
}

func (s *scanner) blank() {
	for s.peek() == ' ' || s.peek() == '\t' {
		s.next()
	}
}

func (s *scanner) restOfLine() {
	for s.more() && s.next() != '\n' {
	}
}

func (s *scanner) giveUp() {
	s.tooDeep = s.line
	s.pos = len(s.src)
}

func (s *scanner) more() bool { return s.pos < len(s.src) }

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if !s.more() {
		return 0
	}
	return s.src[s.pos]
}

// next moves on by a byte and counts lines.
func (s *scanner) next() byte {
	c := s.peek()
	if !s.more() {
		return 0
	}
	s.pos++
	if c == '\n' {
		s.line++
	}
	return c
}

func (s *scanner) accept(c byte) bool {
	if !s.more() || s.src[s.pos] != c {
		return false
	}
	s.next()
	return true
}
