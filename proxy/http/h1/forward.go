package h1

import "strconv"

// A Forward is what a proxy changes in a request on its way to an endpoint. Its
// bytes are written as they are: what is not from the client's head must be
// free of CR and LF.
type Forward struct {
	// Client is the peer's IP address as text. It ends the list in
	// X-Forwarded-For; empty leaves the field as received.
	Client []byte
	// TrustForwarded keeps the X-Forwarded-Proto and X-Forwarded-Host that came
	// with the request, where they did: the peer is a proxy of our own. Without
	// it both are replaced.
	TrustForwarded bool
	Proto          string // X-Forwarded-Proto: "http" or "https"; "": none is added
	Host           []byte // nil: the request's Authority
	Target         []byte // nil: as received, an absolute-form made an origin-form
	Close          bool   // tell the endpoint that its connection ends after this
	Add            []byte // more field lines, each with its CRLF; none that AppendTo has rules for
}

// AppendTo appends the request head for an endpoint to dst: always HTTP/1.1, Host
// first, then the fields as they came, in their order and case, without those
// that end here, and last the proxy's own.
//
//	removed   Connection and what it lists; Keep-Alive, Proxy-Connection, TE,
//	          Upgrade, HTTP2-Settings (RFC 9110 §7.6.1); Proxy-Authorization:
//	          it was meant for a proxy, and whoever takes it for us must not hand
//	          the password on (§11.7.2); Expect where it means nothing
//	kept      though Connection lists it: Host, framing, Via, Expect, X-Forwarded-*,
//	          Forwarded, X-Real-IP, Authorization, Cookie, Cache-Control, Content-Type,
//	          Content-Encoding, Content-Range
//	rewritten Content-Length and Transfer-Encoding, canonical and once
//	one line  X-Forwarded-For and Via: all lines that came, then ours, so that a
//	          reader of the first line only is not led astray
//
// Forwarded (RFC 7239) passes as it came: who believes it must trust the client.
func (r *Request) AppendTo(dst []byte, f *Forward) []byte {
	if r.asIs && f.Target == nil && f.Host == nil {
		dst = r.appendFields(dst, f, r.line, 1)
	} else {
		dst = r.appendStart(dst, f)
		dst = r.appendFields(dst, f, r.head.start, 0)
	}
	dst = append(dst, f.Add...)
	dst = r.appendForwarding(dst, f)
	if r.Framing == Chunked {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case r.Upgrade != nil:
		dst = appendUpgrade(dst, r.Upgrade)
	case f.Close:
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, '\r', '\n')
}

// appendStart writes the request line and Host.
func (r *Request) appendStart(dst []byte, f *Forward) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	switch {
	case f.Target != nil:
		dst = append(dst, f.Target...)
	case r.slash:
		dst = append(dst, '/')
		fallthrough
	default:
		dst = append(dst, r.origin...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if f.Host != nil {
		dst = append(dst, f.Host...)
	} else {
		dst = append(dst, r.Authority...)
	}
	return append(dst, '\r', '\n')
}

// appendFields copies what lies between the cuts, beginning at the byte at, before
// the given cut.
func (r *Request) appendFields(dst []byte, f *Forward, at, first int) []byte {
	h := &r.head
	for i := first; i < len(h.cuts); i++ {
		c := &h.cuts[i]
		if r.keeps(c.kind, f) {
			continue
		}
		dst = append(dst, h.buf[at:c.from]...)
		if c.kind == kLength {
			dst = appendLength(dst, r.Fields[c.field].Name, h.length)
		}
		at = int(c.to)
	}
	return append(dst, h.buf[at:h.end]...)
}

// keeps says whether a special field passes as it is, after all.
func (r *Request) keeps(k kind, f *Forward) bool {
	switch k {
	case kForwardedProto, kForwardedHost:
		return f.TrustForwarded
	case kForwardedFor:
		return len(f.Client) == 0
	case kExpect:
		return r.ExpectContinue
	}
	return false
}

// appendForwarding says who asked for what, and who passed it on.
func (r *Request) appendForwarding(dst []byte, f *Forward) []byte {
	kept := r.head.has
	if !f.TrustForwarded {
		kept = 0
	}
	if len(f.Client) > 0 {
		dst = append(dst, "X-Forwarded-For: "...)
		dst = r.appendList(dst, kForwardedFor)
		dst = append(dst, f.Client...)
		dst = append(dst, '\r', '\n')
	}
	if f.Proto != "" && kept>>kForwardedProto&1 == 0 {
		dst = append(dst, "X-Forwarded-Proto: "...)
		dst = append(dst, f.Proto...)
		dst = append(dst, '\r', '\n')
	}
	if len(r.Authority) > 0 && kept>>kForwardedHost&1 == 0 {
		dst = append(dst, "X-Forwarded-Host: "...)
		dst = append(dst, r.Authority...)
		dst = append(dst, '\r', '\n')
	}
	dst = append(dst, "Via: "...)
	dst = r.appendList(dst, kVia)
	return append(dst, "1.1 "+pseudonym+"\r\n"...)
}

// appendList appends the values of all lines of one kind, each with a comma
// after it.
func (r *Request) appendList(dst []byte, k kind) []byte {
	if r.head.has>>k&1 == 0 {
		return dst
	}
	for i := range r.head.cuts {
		if c := &r.head.cuts[i]; c.kind == k && len(r.Fields[c.field].Value) > 0 {
			dst = append(dst, r.Fields[c.field].Value...)
			dst = append(dst, ',', ' ')
		}
	}
	return dst
}

// appendLength writes Content-Length without the zeros and spaces that a lenient
// reader might take differently.
func appendLength(dst, name, digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	dst = append(dst, name...)
	dst = append(dst, ':', ' ')
	dst = append(dst, digits...)
	return append(dst, '\r', '\n')
}

func appendUpgrade(dst, protocol []byte) []byte {
	dst = append(dst, "Connection: upgrade\r\nUpgrade: "...)
	dst = append(dst, protocol...)
	return append(dst, '\r', '\n')
}

// A Reply is what a proxy changes in a response on its way to the client.
// Response.ReplyTo fills in what follows from the messages.
type Reply struct {
	Close       bool   // the client's connection ends after this response
	ClientMinor byte   // the client's HTTP version
	SetCookie   []byte // value of a Set-Cookie to add; nil: none
	Add         []byte // as in Forward
	// Dechunk announces a body without chunk framing that ends with the
	// connection, so Close holds too: the caller sends Body.Next's data instead
	// of the wire form.
	Dechunk bool
	// Chunk announces chunk framing for a body that came without any: the caller
	// sends AppendChunk's lines around it.
	Chunk bool
}

// AppendTo appends the response head for the client to dst: always HTTP/1.1, the
// fields as they came, in their order and case. Removed are Connection and what
// it lists (with the exceptions of Request.AppendTo), Keep-Alive, Proxy-Connection, TE,
// Upgrade, Proxy-Authenticate (the endpoint is no proxy to the client), Transfer-Encoding
// unless the body stays chunked or becomes it, Trailer with it, and Content-Length of responses
// that cannot have one (RFC 9110 §8.6).
func (r *Response) AppendTo(dst []byte, rep *Reply) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+r.Status/100%10), byte('0'+r.Status/10%10), byte('0'+r.Status%10), ' ')
	dst = append(dst, r.Reason...)
	dst = append(dst, '\r', '\n')
	dst = r.appendFields(dst, rep)
	dst = append(dst, rep.Add...)
	if r.Status < 200 {
		if r.Upgrade != nil {
			dst = appendUpgrade(dst, r.Upgrade)
		}
		return append(dst, '\r', '\n')
	}
	if rep.SetCookie != nil {
		dst = append(dst, "Set-Cookie: "...)
		dst = append(dst, rep.SetCookie...)
		dst = append(dst, '\r', '\n')
	}
	if r.Framing == Chunked && !rep.Dechunk || rep.Chunk {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case rep.Close || rep.Dechunk:
		dst = append(dst, "Connection: close\r\n"...)
	case rep.ClientMinor == 0:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, '\r', '\n')
}

// AppendChunk appends the line that begins a chunk of size bytes, which CRLF
// ends; of size 0 it is the whole last chunk, and the body's end.
func AppendChunk(dst []byte, size int) []byte {
	dst = strconv.AppendUint(dst, uint64(size), 16)
	dst = append(dst, '\r', '\n')
	if size == 0 {
		dst = append(dst, '\r', '\n')
	}
	return dst
}

func (r *Response) appendFields(dst []byte, rep *Reply) []byte {
	h := &r.head
	at := h.start
	for i := range h.cuts {
		c := &h.cuts[i]
		if c.kind == kTrailer && r.Framing == Chunked && !rep.Dechunk {
			continue
		}
		dst = append(dst, h.buf[at:c.from]...)
		if c.kind == kLength && r.Status >= 200 && r.Status != 204 {
			dst = appendLength(dst, r.Fields[c.field].Name, h.length)
		}
		at = int(c.to)
	}
	return append(dst, h.buf[at:h.end]...)
}
