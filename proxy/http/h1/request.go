package h1

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
func (r *Request) Parse(buf []byte, lim Limits) (n int, err error) { return 0, nil }

// Reset forgets the message, and how far a half-read head was looked at.
// Capacity is kept.
func (r *Request) Reset() {}

// Idempotent says whether sending the request twice is meant to be the same as
// once: GET, HEAD, PUT, DELETE, OPTIONS and TRACE (RFC 9110 §9.2.2).
func (r *Request) Idempotent() bool { return false }

// Upgraded says whether resp is a 101 that switches to a protocol r asked for.
// A 101 for which this is false must not be relayed.
func (r *Request) Upgraded(resp *Response) bool { return false }
