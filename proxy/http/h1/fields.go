package h1

import (
	"encoding/binary"
	"math/bits"
)

// A Field is one field line. Both slices point into the parsed buffer; Value is
// without the whitespace around it.
type Field struct{ Name, Value []byte }

// Limits bound a head.
type Limits struct {
	HeadBytes int // start line, fields and the empty line together; 0: 65536
	Fields    int // 0: 256
}

func (l Limits) withDefaults() Limits {
	if l.HeadBytes <= 0 {
		l.HeadBytes = 64 << 10
	}
	if l.Fields <= 0 {
		l.Fields = 256
	}
	return l
}

// Framing is how a message's body ends (RFC 9112 §6.3).
type Framing uint8

const (
	NoBody     Framing = iota // there is none
	Length                    // after Length bytes, which may be 0
	Chunked                   // with its last chunk
	UntilClose                // with the connection (responses only)
)

// Classes of bytes. One table, one bit per class: a byte is looked up once.
const (
	isToken  = 1 << iota // tchar, RFC 9110 §5.6.2
	isTarget             // what a request target may hold: visible ASCII but "#"
	isValue              // what a field value may hold: HTAB, SP, VCHAR, obs-text, RFC 9110 §5.5
	isHost               // unreserved of RFC 3986; see splitAuthority
	isHex
	isDigit
)

var class = func() (t [256]uint8) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9':
			t[c] = isToken | isHost | isHex | isDigit
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			t[c] = isToken | isHost | isHex
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
			t[c] = isToken | isHost
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= isTarget
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= isValue
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= isToken
	}
	for _, c := range []byte("-._~") {
		t[c] |= isHost
	}
	return t
}()

func is(c byte, what uint8) bool { return class[c]&what != 0 }

func all(b []byte, what uint8) bool {
	for _, c := range b {
		if class[c]&what == 0 {
			return false
		}
	}
	return true
}

const (
	ones = 0x0101010101010101 // times a byte: that byte eight times
	high = 0x80 * ones
)

// nameEnd returns the index of the first byte from i on that no field name may
// hold, or len(b). In a sound line that byte is its colon.
//
// Eight bytes at a time: names consist of letters and "-", but for a few, whose
// other bytes are looked up in the table. No sum carries into the next byte, since
// both summands are below 0x80.
func nameEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		small := x | 0x20*ones
		low := small &^ high
		letter := (low + (0x80-'a')*ones) &^ (low + (0x7f-'z')*ones) &^ small
		other := x ^ '-'*ones
		dash := ^((other&^high + 0x7f*ones) | other)
		bad := ^(letter | dash) & high
		if bad == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(bad) / 8
		if !is(b[i], isToken) {
			return i
		}
		i++
	}
	for i < len(b) && is(b[i], isToken) {
		i++
	}
	return i
}

// valueEnd returns the index of the first byte from i on that no field value may
// hold, or len(b). In a sound line that byte is its CR.
//
// The high bit of a byte of bad is set where the byte is below 0x20 or is 0x7f.
// The subtractions borrow only upwards from a hit, so the lowest hit is exact.
func valueEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ 0x7f*ones
		bad := ((x-0x20*ones)&^x | (del-ones)&^del) & high
		if bad == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(bad) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && is(b[i], isValue) {
		i++
	}
	return i
}

// fold says whether b is lower but for case. lower consists of small letters,
// digits and "-"; no byte that a head may hold becomes one of those by |0x20,
// save the capital letters.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func foldPrefix(b []byte, lower string) bool {
	return len(b) >= len(lower) && fold(b[:len(lower)], lower)
}

// foldEqual compares two host names.
func foldEqual(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextMember cuts the first member off a comma-separated list, without the
// whitespace around it; it may be empty (RFC 9110 §5.6.1.2).
func nextMember(list []byte) (member, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// kind names the fields that a proxy must understand.
type kind uint8

const (
	plain kind = iota // passed on as it is
	kHost
	kLength
	kCoding
	kConnection
	kUpgrade
	kHop // removed unread: Keep-Alive, Proxy-Connection, TE, HTTP2-Settings, Proxy-Authenticate, Proxy-Authorization
	kExpect
	kForwardedFor
	kForwardedProto
	kForwardedHost
	kVia
	kTrailer
	kListed // named by Connection, or by Drop
)

// The kinds that mean something in a request, and in a response.
const (
	inBoth     = 1<<kLength | 1<<kCoding | 1<<kConnection | 1<<kUpgrade | 1<<kHop
	inRequest  = inBoth | 1<<kHost | 1<<kExpect | 1<<kForwardedFor | 1<<kForwardedProto | 1<<kForwardedHost | 1<<kVia
	inResponse = inBoth | 1<<kTrailer
)

// kindOf dispatches on length and first letter, so that most names cost two
// comparisons.
func kindOf(name []byte) kind {
	if len(name) == 0 {
		return plain
	}
	c := name[0] | 0x20
	switch len(name) {
	case 2:
		if c == 't' && fold(name, "te") {
			return kHop
		}
	case 3:
		if c == 'v' && fold(name, "via") {
			return kVia
		}
	case 4:
		if c == 'h' && fold(name, "host") {
			return kHost
		}
	case 6:
		if c == 'e' && fold(name, "expect") {
			return kExpect
		}
	case 7:
		if c == 'u' && fold(name, "upgrade") {
			return kUpgrade
		}
		if c == 't' && fold(name, "trailer") {
			return kTrailer
		}
	case 10:
		if c == 'c' && fold(name, "connection") {
			return kConnection
		}
		if c == 'k' && fold(name, "keep-alive") {
			return kHop
		}
	case 14:
		if c == 'c' && fold(name, "content-length") {
			return kLength
		}
		if c == 'h' && fold(name, "http2-settings") {
			return kHop
		}
	case 15:
		if c == 'x' && fold(name, "x-forwarded-for") {
			return kForwardedFor
		}
	case 16:
		if c == 'x' && fold(name, "x-forwarded-host") {
			return kForwardedHost
		}
		if c == 'p' && fold(name, "proxy-connection") {
			return kHop
		}
	case 17:
		if c == 't' && fold(name, "transfer-encoding") {
			return kCoding
		}
		if c == 'x' && fold(name, "x-forwarded-proto") {
			return kForwardedProto
		}
	case 18:
		if c == 'p' && fold(name, "proxy-authenticate") {
			return kHop
		}
	case 19:
		if c == 'p' && fold(name, "proxy-authorization") {
			return kHop
		}
	}
	return plain
}

// essential says of a plain field that it is meant for the far end and nobody
// between may lose or replace it: Connection cannot have it removed, and it is
// no trailer. Without this a client could strip, by naming it in Connection,
// what a proxy in front of us added to say who the client is (RFC 9110 §7.6.1
// forbids to name such fields).
func essential(name []byte) bool {
	if foldPrefix(name, "x-forwarded-") {
		return true
	}
	switch len(name) {
	case 6:
		return fold(name, "cookie")
	case 9:
		return fold(name, "forwarded") || fold(name, "x-real-ip")
	case 10:
		return fold(name, "set-cookie")
	case 12:
		return fold(name, "content-type")
	case 13:
		return fold(name, "authorization") || fold(name, "cache-control") || fold(name, "content-range")
	case 16:
		return fold(name, "content-encoding") || fold(name, "www-authenticate")
	}
	return false
}
