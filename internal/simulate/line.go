package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// A line is what counts here of a line of an access log.
type line struct {
	time     time.Time
	listener string
	service  []byte // valid as long as what was parsed, as is endpoint
	endpoint []byte
	client   netip.AddrPort
	took     time.Duration // negative: it does not say
	dropped  int           // lines that the log had no room for
}

// errNoLine is what every other text is.
var errNoLine = errors.New("it is no line of Spillway's access log")

// Keys of a line that count here.
const (
	keyTime = iota
	keyListener
	keyService
	keyEndpoint
	keyClient
	keyTotal
	keyDropped
	keys
)

var keyNames = [keys]string{"time", "listener", "service", "endpoint", "client", "total", "lines_dropped"}

// fields are the values of a line's keys as they stand there, strings without
// their quotes; nil: it does not have the key.
type fields [keys][]byte

// parseLine reads a line.
func parseLine(b []byte) (l line, err error) {
	f, ok := scan(b)
	if !ok {
		if f, ok = decode(b); !ok {
			return l, errNoLine
		}
	}
	if l.time, err = time.Parse(time.RFC3339, string(f[keyTime])); err != nil {
		return l, errNoLine
	}
	l.service, l.endpoint, l.listener, l.took = f[keyService], f[keyEndpoint], string(f[keyListener]), -1
	l.client, _ = netip.ParseAddrPort(string(f[keyClient])) // a client of a unix socket has none
	if s, err := strconv.ParseFloat(string(f[keyTotal]), 64); err == nil && s >= 0 && s < maxDuration.Seconds() {
		l.took = time.Duration(s * float64(time.Second))
	}
	if f[keyDropped] != nil {
		if l.dropped, err = strconv.Atoi(string(f[keyDropped])); err != nil || l.dropped < 0 {
			return l, errNoLine
		}
	}
	return l, nil
}

// scan finds the fields of a line as Spillway writes them, four times as fast as
// encoding/json. It is false where something is not so simple: an escape
// where it matters, a value with others in it, or no JSON at all.
func scan(b []byte) (f fields, ok bool) {
	b, ok = bytes.CutPrefix(bytes.TrimSpace(b), []byte("{"))
	for ok && len(b) > 0 {
		var key, value []byte
		var plain bool
		if key, b, plain = text(b); !plain || len(b) == 0 || b[0] != ':' {
			return f, false
		}
		if b = b[1:]; len(b) > 0 && b[0] == '"' {
			value, b, plain = text(b)
		} else {
			n := bytes.IndexAny(b, ",}")
			if n <= 0 || bytes.ContainsAny(b[:n], "\"[]{ ") {
				return f, false
			}
			value, b = b[:n], b[n:]
			if value[0] == 'n' {
				value = nil // null
			}
		}
		if i := keyOf(key); i >= 0 {
			if !plain || !utf8.Valid(value) {
				return f, false
			}
			f[i] = value
		}
		switch {
		case len(b) == 1 && b[0] == '}':
			return f, true
		case len(b) == 0 || b[0] != ',':
			return f, false
		}
		b = b[1:]
	}
	return f, false
}

// text takes a string from the front of b. It is plain if what stands between the
// quotes is what it means.
func text(b []byte) (s, rest []byte, plain bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	end := 1 + bytes.IndexByte(b[1:], '"')
	if end > 0 && bytes.IndexByte(b[1:end], '\\') < 0 {
		return b[1:end], b[end+1:], true
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return b[1:i], b[i+1:], false
		case '\\':
			i++
		}
	}
	return nil, nil, false
}

func keyOf(name []byte) int {
	for i, k := range keyNames {
		if string(name) == k {
			return i
		}
	}
	return -1
}

// decode finds the fields of any JSON object.
func decode(b []byte) (f fields, ok bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(b, &all) != nil {
		return f, false
	}
	for i, k := range keyNames {
		raw := all[k]
		var s string
		switch {
		case raw == nil || string(raw) == "null":
		case json.Unmarshal(raw, &s) == nil:
			f[i] = []byte(s)
		default:
			f[i] = raw
		}
	}
	return f, true
}
