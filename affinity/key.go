package affinity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Rule says how one service names its clients. It is plain data, never changes once in use, and may be shared by
// any number of goroutines.
type Rule struct {
	Kind    Kind
	Seed    uint64 // of the hash: the same on every proxy of a fleet, secret where clients could aim at an endpoint
	Service string // mixed into GENERATED_COOKIE keys, that one cookie serves every service; and inside strong cookies
	Header  string // HEADER_FIELD: the field's name, in any case
	Cookie  Cookie // HTTP_COOKIE, GENERATED_COOKIE and STRONG_COOKIE_AFFINITY

	// STRONG_COOKIE_AFFINITY only.
	Keys   *Keyring // seal and open cookies
	Strict bool     // a session whose endpoint cannot be had gets an error, and no other endpoint
}

// Cookie describes the cookie of a [Rule].
type Cookie struct {
	Name string        // default GCILB or, of a strong cookie, SPILLWAY; HTTP_COOKIE needs one
	Path string        // default "/", and always "/" for GENERATED_COOKIE (spec.md §5.2)
	TTL  time.Duration // 0: a session cookie; what a session is, the client decides
}

// Flow is one connection or datagram as the tuple kinds see it.
type Flow struct {
	Src   netip.AddrPort // the client, as derived by [Client]; its port may be 0 when a header named the client
	Dst   netip.AddrPort // where the client connected to: the listener's own address
	Proto uint8          // IP protocol number: 6 TCP, 17 UDP
}

// FlowKey hashes what the rule's kind takes of f. An IPv4-mapped IPv6 address equals its IPv4 address, and zones
// are ignored: a zone's name means nothing on another machine. None, and the kinds that hash a value, give the
// key of the 5-tuple, which spreads connections and remembers nobody.
//
// The key is XXH64 with the seed over, in this order and only as the kind asks for: source address and destination
// address (16 bytes each, IPv4 as ::ffff:a.b.c.d), source port and destination port (2 bytes each, big endian),
// protocol (1 byte). No two kinds hash the same number of bytes, but for the two names of the 5-tuple.
func (r *Rule) FlowKey(f Flow) uint64 {
	var b [37]byte
	src, dst := f.Src.Addr().As16(), f.Dst.Addr().As16()
	copy(b[0:], src[:])
	copy(b[16:], dst[:])
	switch r.Kind {
	case ClientIPNoDestination:
		return sum(r.Seed, b[:16])
	case ClientIP:
		return sum(r.Seed, b[:32])
	case ClientIPProto:
		b[32] = f.Proto
		return sum(r.Seed, b[:33])
	}
	binary.BigEndian.PutUint16(b[32:], f.Src.Port())
	binary.BigEndian.PutUint16(b[34:], f.Dst.Port())
	b[36] = f.Proto
	return sum(r.Seed, b[:])
}

// ValueKey hashes the value of the header or cookie: XXH64 with the seed over the value as it was received. Several
// values, those of a header that came in several lines, are hashed as if joined by "," (RFC 9110 §5.3 says that
// they mean the same). A caller that found no value has no key, and should not ask for one.
//
// For GENERATED_COOKIE the seed is first mixed (xor) with XXH64 of the service's name under seed 0, so that one
// cookie stands for one place in each service and not for the same place in all of them.
func (r *Rule) ValueKey(values ...[]byte) uint64 {
	seed := r.Seed
	if r.Kind == GeneratedCookie && r.Service != "" {
		seed ^= xxhash.Sum64String(r.Service)
	}
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	for i, v := range values {
		if i > 0 {
			d.Write(comma)
		}
		d.Write(v)
	}
	return d.Sum64()
}

var comma = []byte(",")

// sum keeps the digest on the stack; the package has no one-shot function that takes a seed.
func sum(seed uint64, b []byte) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	d.Write(b)
	return d.Sum64()
}

// The longest lives of cookies that the API allows (spec.md §5.2). HTTP_COOKIE's 10 000 years are beyond what a
// time.Duration holds, so any that is not negative will do.
const maxGeneratedTTL = 1209600 * time.Second

// Validate reports everything that is wrong with the rule, joined into one error.
func (r *Rule) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("affinity: "+format, args...)) }

	if int(r.Kind) >= len(kindNames) {
		bad("unknown kind %d", uint8(r.Kind))
	}
	if r.Kind.NeedsHeader() {
		if !isToken(r.Header) {
			bad("HEADER_FIELD needs a header name, not %q", r.Header)
		}
	} else if r.Header != "" {
		bad("header %q is not used by %v", r.Header, r.Kind)
	}
	switch strong := r.Kind == StrongCookie; {
	case strong && r.Keys == nil:
		bad("%v needs keys", r.Kind)
	case strong && len(r.Service) > 255:
		bad("a service's name of %d bytes is too long for %v", len(r.Service), r.Kind)
	case !strong && (r.Keys != nil || r.Strict):
		bad("keys and strict are not used by %v", r.Kind)
	}
	if !r.Kind.NeedsCookie() && r.Kind != StrongCookie {
		if r.Cookie != (Cookie{}) {
			bad("cookie is not used by %v", r.Kind)
		}
		return errors.Join(errs...)
	}
	if !isToken(r.CookieName()) {
		bad("%v needs a cookie name, not %q", r.Kind, r.Cookie.Name)
	}
	if p := r.Cookie.Path; p != "" && !isCookiePath(p) {
		bad("cookie path %q must begin with / and hold neither ; nor control characters", p)
	}
	if r.Kind == GeneratedCookie && r.Cookie.Path != "" && r.Cookie.Path != "/" {
		bad("the path of GENERATED_COOKIE is always /, not %q", r.Cookie.Path)
	}
	if r.Cookie.TTL < 0 {
		bad("cookie ttl %v is negative", r.Cookie.TTL)
	}
	if r.Kind != HTTPCookie && r.Cookie.TTL > maxGeneratedTTL {
		bad("cookie ttl %v of %v is more than 1209600s", r.Cookie.TTL, r.Kind)
	}
	return errors.Join(errs...)
}
