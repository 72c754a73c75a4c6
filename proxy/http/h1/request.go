package h1

import "bytes"

// A Request is a parsed request head. Its slices point into the buffer given to
// Parse and are valid as long as that is neither changed nor reused; strings
// kept longer must be copied. A Request may be used for any number of messages,
// one after the other, and allocates nothing once its Fields have grown to the
// traffic's size.
type Request struct {
	Method []byte
	Target []byte // as received, whatever its form
	// Path is the part of the target that routes look at: as received, not
	// decoded, without the query; "/" where an absolute target has none; "*"
	// for the asterisk-form.
	Path []byte
	// Authority is host and port from an absolute target, else from Host; empty
	// only for an HTTP/1.0 request that has neither.
	Authority []byte
	Minor     byte // 0 or 1
	Fields    []Field
	Framing   Framing // NoBody, Length or Chunked
	Length    int64   // bytes of body if Framing is Length
	// Close says that the client's connection ends after this exchange.
	Close bool
	// Upgrade is the value of Upgrade if this is a request to change protocol
	// that may be passed on: HTTP/1.1, one Upgrade field named by Connection,
	// without a body, and not to h2c, which no proxy may relay (RFC 9113
	// §3.1 dropped it). Else nil, and AppendTo leaves Upgrade out.
	Upgrade []byte
	// ExpectContinue says that the client waits for 100 Continue before it
	// sends the body. False for HTTP/1.0 and without a body, where RFC 9110
	// §10.1.1 has it ignored.
	ExpectContinue bool

	head   head
	line   int    // where the request line begins in head.buf
	origin []byte // path and query; see slash
	slash  bool   // origin lacks its first "/"
	asIs   bool   // the start of the head may be copied, see startsAsWritten
}

// Parse reads a request head from the start of buf and returns its size. 0 and
// no error means that the head is not complete: call again with the same bytes
// and more after them (the buffer itself may have moved). An error is always an
// *Error.
//
// One empty line before the request line is skipped (RFC 9112 §2.2) and counted
// in n. What cannot become a request is refused as soon as it is seen. However
// the bytes trickle in, each is looked at a bounded number of times: r remembers
// how far it has looked. Call Reset before turning to another connection with a
// head half read.
func (r *Request) Parse(buf []byte, lim Limits) (n int, err error) {
	lim = lim.withDefaults()
	limited := len(buf) >= lim.HeadBytes
	if limited {
		buf = buf[:lim.HeadBytes]
	}
	h := &r.head
	if h.waiting(buf) {
		if ready, err := h.look(buf); !ready {
			return h.remember(buf, 0, err, limited)
		}
	}
	n, err = r.parse(buf, lim.Fields)
	return h.remember(buf, n, err, limited)
}

// Reset forgets the message, and how far a half-read head was looked at.
// Capacity is kept.
func (r *Request) Reset() {
	fields, head := r.Fields, r.head.memory()
	clear(fields)
	*r = Request{} // in two steps it is made in place
	r.Fields, r.head.memo = fields[:0], head
}

func (r *Request) parse(buf []byte, limit int) (n int, err error) {
	r.head.begin()
	start, err := r.parseLine(buf)
	if start == 0 || err != nil {
		return 0, err
	}
	r.head.past = true
	r.Fields, n, err = r.head.parseFields(buf, start, r.Fields[:0], inRequest, limit)
	if n == 0 || err != nil {
		return 0, err
	}
	if err := r.conclude(); err != nil {
		return 0, err
	}
	return n, nil
}

// parseLine reads the request line and returns where the fields begin, or 0 if
// buf ends before it does.
func (r *Request) parseLine(buf []byte) (start int, err error) {
	i := 0
	if len(buf) > 0 && buf[0] == '\r' {
		if len(buf) == 1 {
			return 0, nil
		}
		if buf[1] != '\n' {
			return 0, ErrMethod
		}
		i = 2
	}
	from := i
	for i < len(buf) && is(buf[i], isToken) {
		i++
	}
	if i == len(buf) {
		return 0, nil
	}
	if buf[i] != ' ' || i == from {
		return 0, ErrMethod
	}
	r.Method, r.line = buf[from:i], from
	i++
	from = i
	for i < len(buf) && is(buf[i], isTarget) {
		i++
	}
	if i == len(buf) {
		return 0, nil
	}
	if buf[i] != ' ' || i == from {
		return 0, ErrTarget
	}
	r.Target = buf[from:i]
	var size int
	if r.Minor, size, err = parseVersion(buf[i+1:]); size == 0 {
		return 0, err
	}
	return crlf(buf, i+1+size)
}

// parseVersion reads "HTTP/1.0" or "HTTP/1.1" from the start of b; size 0 and no
// error: b is too short to tell.
func parseVersion(b []byte) (minor byte, size int, err error) {
	const name = "HTTP/1."
	if len(b) > len(name) && string(b[:len(name)]) == name && b[len(name)]|1 == '1' {
		return b[len(name)] & 1, len(name) + 1, nil
	}
	for i := 0; i < len(b) && i < len("HTTP/"); i++ {
		if b[i] != name[i] {
			return 0, 0, ErrStartLine
		}
	}
	if len(b) > len("HTTP/") && b[len("HTTP/")] != '1' ||
		len(b) > len("HTTP/1") && b[len("HTTP/1")] != '.' ||
		len(b) > len(name) {
		return 0, 0, ErrVersion
	}
	return 0, 0, nil
}

// crlf wants the end of the start line at i, and returns where the next begins.
func crlf(buf []byte, i int) (int, error) {
	if len(buf) > i && buf[i] != '\r' || len(buf) > i+1 && buf[i+1] != '\n' {
		return 0, ErrStartLine
	}
	if len(buf) < i+2 {
		return 0, nil
	}
	return i + 2, nil
}

// conclude decides what the whole head means.
func (r *Request) conclude() (err error) {
	h := &r.head
	var none bool
	if r.Framing, r.Length, none, err = h.framing(r.Minor); err != nil {
		return err
	}
	if err := r.resolveTarget(); err != nil {
		return err
	}
	empty := none || r.Framing == Length && r.Length == 0
	if err := r.concludeExpect(empty); err != nil {
		return err
	}
	// RFC 9112 §9.3: close wins; before 1.1 a connection stays only on request.
	r.Close = h.close || r.Minor == 0 && !h.keepAlive
	r.Upgrade = nil
	if h.upgrading && r.Minor == 1 && empty && tunnels(h.upgrade) {
		r.Upgrade = h.upgrade
	}
	h.cutListed(r.Fields)
	r.asIs = r.startsAsWritten()
	return nil
}

// startsAsWritten says whether the head begins just as AppendTo would write it:
// version 1.1, no absolute target, then Host. Most do, and are copied in one piece.
func (r *Request) startsAsWritten() bool {
	const name = "Host: "
	h := &r.head
	return r.Minor == 1 && len(r.origin) == len(r.Target) && h.cuts[0].field == 0 && h.cuts[0].kind == kHost &&
		int(h.cuts[0].to) == h.start+len(name)+len(h.host)+len("\r\n") && string(h.buf[h.start:h.start+len(name)]) == name
}

func (r *Request) concludeExpect(empty bool) error {
	r.ExpectContinue = false
	if r.head.has>>kExpect&1 == 0 || r.Minor == 0 {
		return nil
	}
	for i := range r.head.cuts {
		if c := &r.head.cuts[i]; c.kind == kExpect && !fold(r.Fields[c.field].Value, "100-continue") {
			return ErrExpect
		}
	}
	r.ExpectContinue = !empty
	return nil
}

// resolveTarget finds Path and Authority (RFC 9112 §3.2, §3.3).
func (r *Request) resolveTarget() error {
	h, t := &r.head, r.Target
	hasHost := h.has>>kHost&1 != 0
	if hasHost {
		if _, _, ok := splitAuthority(h.host); !ok {
			return ErrHost
		}
	} else if r.Minor == 1 {
		return ErrHost
	}
	r.Authority, r.origin, r.slash = h.host, t, false
	switch {
	case string(r.Method) == "CONNECT":
		return ErrConnect
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		if string(r.Method) != "OPTIONS" {
			return ErrTarget
		}
	default:
		if err := r.resolveAbsolute(hasHost); err != nil {
			return err
		}
	}
	r.Path = r.origin
	if i := bytes.IndexByte(r.origin, '?'); i >= 0 {
		r.Path = r.origin[:i]
	}
	if len(r.Path) == 0 {
		r.Path = root
	}
	return nil
}

var (
	root     = []byte("/")
	asterisk = []byte("*")
)

// resolveAbsolute takes an absolute-form apart: http://authority/path?query. The
// RFC has the target win over Host; where they disagree somebody lies, so that is
// refused.
func (r *Request) resolveAbsolute(hasHost bool) error {
	t, port := r.Target, 80
	switch {
	case foldScheme(t, "http://"):
		t = t[len("http://"):]
	case foldScheme(t, "https://"):
		t, port = t[len("https://"):], 443
	default:
		return ErrTarget
	}
	i := 0
	for i < len(t) && t[i] != '/' && t[i] != '?' {
		i++
	}
	r.Authority, r.origin = t[:i], t[i:]
	if _, _, ok := splitAuthority(r.Authority); !ok { // userinfo too
		return ErrTarget
	}
	if hasHost && !sameAuthority(r.Authority, r.head.host, port) {
		return ErrHost
	}
	r.slash = len(r.origin) == 0 || r.origin[0] != '/'
	if len(r.origin) == 0 && string(r.Method) == "OPTIONS" {
		r.origin, r.slash = asterisk, false // RFC 9112 §3.2.4
	}
	return nil
}

func foldScheme(t []byte, scheme string) bool {
	if len(t) < len(scheme) {
		return false
	}
	for i := range len(scheme) {
		if lower(t[i]) != scheme[i] {
			return false
		}
	}
	return true
}

// Idempotent says whether sending the request twice is meant to be the same as
// once: GET, HEAD, PUT, DELETE, OPTIONS and TRACE (RFC 9110 §9.2.2).
func (r *Request) Idempotent() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// Upgraded says whether resp is a 101 that switches to a protocol r asked for.
// A 101 for which this is false must not be relayed.
func (r *Request) Upgraded(resp *Response) bool {
	if resp.Upgrade == nil {
		return false
	}
	for list := r.Upgrade; len(list) > 0; {
		var m []byte
		if m, list = nextMember(list); foldEqual(m, resp.Upgrade) {
			return true
		}
	}
	return false
}
