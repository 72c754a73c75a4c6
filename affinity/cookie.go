package affinity

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// DefaultCookie is the name of the cookie of GENERATED_COOKIE, as Google's regional balancers call it.
const DefaultCookie = "GCILB"

// DefaultStrongCookie is the name of the cookie of STRONG_COOKIE_AFFINITY.
const DefaultStrongCookie = "SPILLWAY"

// CookieName is the name of the rule's cookie, the default one included; empty when the rule has none.
func (r *Rule) CookieName() string {
	switch {
	case r.Cookie.Name != "":
		return r.Cookie.Name
	case r.Kind == GeneratedCookie:
		return DefaultCookie
	case r.Kind == StrongCookie:
		return DefaultStrongCookie
	}
	return ""
}

// CookieValue finds the first cookie of that name in the lines of the Cookie field and returns its value, which
// aliases the line. It is as strict as RFC 6265 §4.2.1 and rewrites nothing: names are compared byte for byte,
// white space is trimmed around a pair but not inside it, quotes and %-escapes stay as they are, and a semicolon
// ends a pair wherever it stands.
//
// A pair without "=" or with an empty value is passed over: it names nobody, and hashing it would send all clients
// that have it to one endpoint.
func CookieValue(lines [][]byte, name string) ([]byte, bool) {
	for _, line := range lines {
		if value, _ := nextCookie(line, name); value != nil {
			return value, true
		}
	}
	return nil, false
}

// nextCookie finds the first cookie of that name in a line, and returns what follows it. The value is nil if there is
// none.
func nextCookie(line []byte, name string) (value, rest []byte) {
	for len(line) > 0 {
		var pair []byte
		if end := bytes.IndexByte(line, ';'); end >= 0 {
			pair, line = line[:end], line[end+1:]
		} else {
			pair, line = line, nil
		}
		pair = trimSpace(pair)
		if len(pair) > len(name)+1 && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
			return pair[len(name)+1:], line
		}
	}
	return nil, nil
}

// NewCookieValue makes the value of a cookie for a client that has none: 128 random bits in hex. It says nothing
// about the endpoint, so no client can choose one by writing its own.
func (r *Rule) NewCookieValue() (value [32]byte) {
	var id [16]byte
	rand.Read(id[:]) // never fails: the program ends instead (crypto/rand)
	hex.Encode(value[:], id[:])
	return value
}

// AppendSetCookie appends the value of the Set-Cookie field that gives value to the client, and returns the extended
// slice. secure says whether the client came over TLS. A TTL is said twice, as Max-Age (rounded up to a second) and,
// for clients that know no better, as Expires; without one neither is there and the client's session decides.
// SameSite is left to the client's own default (spec.md §5.2).
func (r *Rule) AppendSetCookie(dst, value []byte, now time.Time, secure bool) []byte {
	dst = append(dst, r.CookieName()...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	return r.appendAttributes(dst, now, secure)
}

// appendAttributes appends what follows the value.
func (r *Rule) appendAttributes(dst []byte, now time.Time, secure bool) []byte {
	dst = append(dst, "; Path="...)
	if r.Kind == GeneratedCookie || r.Cookie.Path == "" {
		dst = append(dst, '/')
	} else {
		dst = append(dst, r.Cookie.Path...)
	}
	if ttl := r.Cookie.TTL; ttl > 0 {
		seconds := int64(ttl / time.Second)
		if ttl%time.Second != 0 {
			seconds++
		}
		dst = append(dst, "; Max-Age="...)
		dst = strconv.AppendInt(dst, seconds, 10)
		dst = append(dst, "; Expires="...)
		dst = now.Add(ttl).UTC().AppendFormat(dst, imfDate)
	}
	dst = append(dst, "; HttpOnly"...)
	if secure {
		dst = append(dst, "; Secure"...)
	}
	return dst
}

// imfDate is the IMF-fixdate of RFC 9110 §5.6.7; net/http has it too, but TCP uses this package as well.
const imfDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// trimSpace removes optional white space (RFC 9110 §5.6.3): spaces and tabs, and no other.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isToken reports whether s is a token (RFC 9110 §5.6.2), as names of fields and cookies are.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isCookiePath reports whether s may stand in a Path attribute (RFC 6265 §4.1.1).
func isCookiePath(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == ';' {
			return false
		}
	}
	return s[0] == '/'
}
