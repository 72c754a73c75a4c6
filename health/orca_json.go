package health

import (
	"encoding/json"
	"unicode/utf8"
)

// readJSON reads an OrcaLoadReport in the JSON of protobuf: names in either
// spelling, a number also as a string, null for what is not there. No name has
// anything to escape, so one that does is unknown.
func (r *LoadReader) readJSON(text []byte, report *LoadReport) error {
	if !utf8.Valid(text) || !json.Valid(text) {
		return errLoadJSON
	}
	s := jsonScanner{text: text}
	return s.object(func(key []byte) error {
		switch string(key) {
		case "named_metrics", "namedMetrics":
			return r.readNamed(&s, report)
		case "request_cost", "requestCost", "utilization":
			return s.numbers(func([]byte, float64) error { return nil })
		case "rps": // deprecated, and a whole number
			_, _, err := s.number()
			return err
		}
		to := report.scalar(jsonName(key))
		if to == nil {
			return errLoadName
		}
		value, null, err := s.number()
		if null || err != nil {
			return err
		}
		return noteOnce(to, value)
	})
}

func (r *LoadReader) readNamed(s *jsonScanner, report *LoadReport) error {
	return s.numbers(func(name []byte, value float64) error { return r.noteNamed(report, name, value) })
}

var (
	cpuName         = []byte("cpu_utilization")
	memName         = []byte("mem_utilization")
	applicationName = []byte("application_utilization")
	rpsName         = []byte("rps_fractional")
)

// jsonName undoes the spelling that is protobuf's first choice in JSON.
func jsonName(key []byte) []byte {
	switch string(key) {
	case "cpuUtilization":
		return cpuName
	case "memUtilization":
		return memName
	case "applicationUtilization":
		return applicationName
	case "rpsFractional":
		return rpsName
	}
	return key
}

// A jsonScanner walks over a text that is known to be JSON, so it looks at
// nothing but what tells values apart.
type jsonScanner struct {
	text []byte
	at   int
}

// peek goes to the next byte that is no space; a text that has ended is 0.
func (s *jsonScanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// object calls member for each, with the scanner at its value, which member must
// take. The text of a name is as it is written, escapes and all.
func (s *jsonScanner) object(member func(name []byte) error) error {
	if s.peek() != '{' {
		return errLoadJSON
	}
	s.at++
	for {
		switch s.peek() {
		case '}':
			s.at++
			return nil
		case ',':
			s.at++
			s.peek()
		}
		name := s.str()
		s.peek()
		s.at++ // the colon
		if err := member(name); err != nil {
			return err
		}
	}
}

// numbers is object for a map of numbers; null is an empty one.
func (s *jsonScanner) numbers(member func(name []byte, value float64) error) error {
	if s.null() {
		return nil
	}
	return s.object(func(name []byte) error {
		value, null, err := s.number()
		switch {
		case err != nil:
			return err
		case null:
			return errLoadJSON
		}
		return member(name, value)
	})
}

// str takes the string that begins here, without its quotes.
func (s *jsonScanner) str() []byte {
	s.at++
	from := s.at
	for s.text[s.at] != '"' {
		if s.text[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	s.at++
	return s.text[from : s.at-1]
}

// null takes a null, if there is one.
func (s *jsonScanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.at += len("null")
	return true
}

// number takes a number, a string that holds one, or null.
func (s *jsonScanner) number() (value float64, null bool, err error) {
	var text []byte
	switch c := s.peek(); {
	case c == 'n':
		return 0, s.null(), nil
	case c == '"':
		text = s.str()
	case c == '-' || '0' <= c && c <= '9':
		from := s.at
		for s.at < len(s.text) && isNumberByte(s.text[s.at]) {
			s.at++
		}
		text = s.text[from:s.at]
	default:
		return 0, false, errLoadJSON
	}
	value, err = loadNumber(text)
	return value, false, err
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == '-' || c == '+' || c|0x20 == 'e'
}
