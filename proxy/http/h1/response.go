package h1

// A Response is a parsed response head. Its slices and its reuse are as those
// of a Request.
type Response struct {
	Minor   byte
	Status  int // 100 to 999
	Reason  []byte
	Fields  []Field
	Framing Framing
	Length  int64 // bytes of body if Framing is Length
	// Close says that the endpoint's connection must not be used again after
	// this response.
	Close bool
	// Upgrade is the protocol a 101 switches to; ask Request.Upgraded whether
	// the client wanted it. Else nil.
	Upgrade []byte
}

// Parse reads a response head from the start of buf as the answer to a request
// with this method, and returns its size; all as in Request.Parse, except that
// no empty line may come first. Heads with a 1xx Status are interim, the final
// one follows, but for 101.
func (r *Response) Parse(buf []byte, method []byte, lim Limits) (n int, err error) { return 0, nil }

// Reset forgets the message, and how far a half-read head was looked at.
// Capacity is kept.
func (r *Response) Reset() {}

// ReplyTo says how the response goes to the client that sent req: Close where
// the client asked for it or only the connection's end can end the body, Dechunk
// where the client does not know chunks. The caller adds what only it knows.
//
// Interim responses must not be sent to an HTTP/1.0 client at all (RFC 9110 §15.2).
func (r *Response) ReplyTo(req *Request) Reply { return Reply{} }
