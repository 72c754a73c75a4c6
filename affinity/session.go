package affinity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// A strong cookie is the base64 (RFC 4648 §5, without padding) of
//
//	version 1 │ key id 4 │ nonce 24 │ sealed …, with a tag of 16
//
// where the first two are authenticated as well, and what is sealed is
//
//	issued 8, Unix seconds │ length 1, service │ length 2, endpoint's ID │ zeros up to a multiple of 32
//
// The zeros keep the length of an ID, which may be an address, from being told. The nonce is random: of 192 bits, so
// that a key may seal as many cookies as it likes.
const (
	sessionVersion = 1
	sessionHead    = 1 + len(keyID{})
	sessionNonce   = chacha20poly1305.NonceSizeX
	sessionBlock   = 32
)

const (
	// MaxSessionTTL is the longest life of a strong cookie (spec.md §5.2).
	MaxSessionTTL = maxGeneratedTTL
	// maxEndpoint is the longest ID that a cookie is made for: browsers drop cookies of more than 4096 bytes.
	maxEndpoint = 1024
	// maxSession bounds the work that a value can cause: none that we have sealed is longer.
	maxSession = 2048
	// maxSessions is how many cookies of one name are looked at: a client may have one for each path.
	maxSessions = 8
	// clockSkew is how far ahead the clock of the proxy that has sealed a cookie may be.
	clockSkew = 5 * time.Minute
)

var sessionEncoding = base64.RawURLEncoding.Strict()

// A Session is what a request's strong cookie says. The zero value is that of a request that has none.
type Session struct {
	State SessionState
	// Endpoint is the ID of the endpoint that the session is bound to, where State is SessionValid or
	// SessionExpired. It aliases the memory that the cookie was opened in.
	Endpoint []byte
	// Issued is when the cookie was, where there is an Endpoint; to the second.
	Issued time.Time
	// Aging says that a valid cookie should be issued anew: half of its life is over, or a key has sealed it that is
	// not the first any more.
	Aging bool
}

// SessionState says what a strong cookie is worth. All but SessionValid are as none.
type SessionState uint8

// The states. Where a client has several cookies of the name, and none is valid, the last in this order counts.
const (
	SessionNone         SessionState = iota // there is no cookie
	SessionInvalid                          // it is forged, damaged or cut short
	SessionUnknownKey                       // its key is not in the ring; whether it is real nobody can say
	SessionOtherService                     // it is real, and of another service
	SessionExpired                          // it is older than the ttl
	SessionValid
)

// String says the same in words.
func (s SessionState) String() string {
	return [...]string{
		"there is none", "it is forged or damaged", "its key is not known", "it is of another service", "it has expired", "it is valid",
	}[s]
}

// Session finds the strong cookie in the lines of the Cookie field and opens it, in memory that is appended to dst
// and returned. Of several the first valid one counts: clients send that of the longest path first (RFC 6265 §5.4).
// It costs no allocation where dst has room for 2 KiB, and reads no clock but now.
//
// What does not open is told apart by State only for those who explain it. To forge a cookie is to break
// XChaCha20-Poly1305, which compares tags in constant time.
func (r *Rule) Session(dst []byte, lines [][]byte, now time.Time) (best Session, memory []byte) {
	name, from := r.CookieName(), len(dst)
	tries := 0
	for _, line := range lines {
		for len(line) > 0 && tries < maxSessions {
			var value []byte
			if value, line = nextCookie(line, name); value == nil {
				break
			}
			tries++
			var s Session
			if s, dst = r.open(dst[:from], value, now); s.State == SessionValid {
				return s, dst
			} else if s.State > best.State {
				best = s
				if s.Endpoint != nil { // expired: its ID is kept for who wants to know
					from = len(dst)
				}
			}
		}
	}
	return best, dst
}

// open opens one cookie's value.
func (r *Rule) open(dst, value []byte, now time.Time) (Session, []byte) {
	if len(value) > maxSession {
		return Session{State: SessionInvalid}, dst
	}
	from := len(dst)
	dst = append(dst, value...) // makes room: what is decoded is shorter
	n, err := sessionEncoding.Decode(dst[from:], value)
	dst = dst[:from+max(n, 0)]
	raw := dst[from:]
	if err != nil || len(raw) < sessionHead+sessionNonce+chacha20poly1305.Overhead || raw[0] != sessionVersion {
		return Session{State: SessionInvalid}, dst
	}
	i := slices.Index(r.Keys.ids, keyID(raw[1:]))
	if i < 0 {
		return Session{State: SessionUnknownKey}, dst
	}
	nonce, sealed := raw[sessionHead:][:sessionNonce], raw[sessionHead+sessionNonce:]
	plain, err := r.Keys.aeads[i].Open(sealed[:0], nonce, sealed, raw[:sessionHead])
	if err != nil {
		return Session{State: SessionInvalid}, dst
	}
	return r.read(plain, i, now), dst
}

// read reads what key i has sealed.
func (r *Rule) read(plain []byte, i int, now time.Time) Session {
	bad := Session{State: SessionInvalid} // sealed by us, but not so
	if len(plain) < 9 {
		return bad
	}
	issued, plain := int64(binary.BigEndian.Uint64(plain)), plain[8:]
	n, plain := int(plain[0]), plain[1:]
	if len(plain) < n+2 {
		return bad
	}
	service, plain := plain[:n], plain[n:]
	n, plain = int(binary.BigEndian.Uint16(plain)), plain[2:]
	if n == 0 || len(plain) < n {
		return bad
	}
	if string(service) != r.Service {
		return Session{State: SessionOtherService}
	}
	s := Session{State: SessionValid, Endpoint: plain[:n], Issued: time.Unix(issued, 0)}
	age, life := now.Sub(s.Issued), r.sessionLife()
	if age >= life || age < -clockSkew {
		s.State = SessionExpired
	}
	s.Aging = age > life/2 || i > 0
	return s
}

// sessionLife is how long we open a cookie. Where the client's session decides we do so for as long as any strong
// cookie may last: browsers that restore their sessions never end them.
func (r *Rule) sessionLife() time.Duration {
	if r.Cookie.TTL > 0 {
		return r.Cookie.TTL
	}
	return MaxSessionTTL
}

// AppendSetSession appends the value of the Set-Cookie field that binds the client to the endpoint with this ID, as
// AppendSetCookie does for other cookies. It appends nothing where the ID is longer than 1024 bytes: clients would not
// keep the cookie.
func (r *Rule) AppendSetSession(dst []byte, endpoint string, now time.Time, secure bool) []byte {
	if len(endpoint) > maxEndpoint || endpoint == "" {
		return dst
	}
	dst = append(dst, r.CookieName()...)
	dst = append(dst, '=')
	dst = r.appendSealed(dst, endpoint, now)
	return r.appendAttributes(dst, now, secure)
}

// appendSealed seals in the memory behind dst, since what is passed to a cipher would otherwise be allocated.
func (r *Rule) appendSealed(dst []byte, endpoint string, now time.Time) []byte {
	from := len(dst)
	dst = append(dst, sessionVersion)
	dst = append(dst, r.Keys.ids[0][:]...)
	dst = append(dst, make([]byte, sessionNonce)...)
	rand.Read(dst[len(dst)-sessionNonce:]) // never fails
	begin := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(now.Unix()))
	dst = append(dst, byte(len(r.Service)))
	dst = append(dst, r.Service...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(endpoint)))
	dst = append(dst, endpoint...)
	for (len(dst)-begin)%sessionBlock != 0 {
		dst = append(dst, 0)
	}
	nonce, plain := dst[begin-sessionNonce:begin], dst[begin:]
	dst = r.Keys.aeads[0].Seal(dst[:begin], nonce, plain, dst[from:][:sessionHead])
	end := len(dst)
	dst = sessionEncoding.AppendEncode(dst, dst[from:])
	return append(dst[:from], dst[end:]...)
}

// AppliesTo reports whether clients send the rule's cookie with requests for this path (RFC 6265 §5.1.4). A strong
// cookie is neither looked for nor set elsewhere.
func (r *Rule) AppliesTo(path []byte) bool {
	cookie := r.Cookie.Path
	if cookie == "" || cookie == "/" {
		return true
	}
	if len(path) < len(cookie) || string(path[:len(cookie)]) != cookie {
		return false
	}
	return len(path) == len(cookie) || cookie[len(cookie)-1] == '/' || path[len(cookie)] == '/'
}
