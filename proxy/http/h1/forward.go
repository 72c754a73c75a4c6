package h1

// A Forward is what a proxy changes in a request on its way to an endpoint. Its
// bytes are written as they are: what is not from the client's head must be
// free of CR and LF.
type Forward struct {
	// Client is the peer's IP address as text. It ends the list in
	// X-Forwarded-For; nil leaves the field as received.
	Client []byte
	// TrustForwarded keeps the X-Forwarded-Proto and X-Forwarded-Host that came
	// with the request, where they did: the peer is a proxy of our own. Without
	// it both are replaced.
	TrustForwarded bool
	Proto          string // X-Forwarded-Proto: "http" or "https"; "": none is added
	Host           []byte // nil: the request's Authority
	Target         []byte // nil: as received, an absolute-form made an origin-form
	Close          bool   // tell the endpoint that its connection ends after this
}

// AppendTo appends the request head for an endpoint to dst.
func (r *Request) AppendTo(dst []byte, f *Forward) []byte { return dst }

// A Reply is what a proxy changes in a response on its way to the client.
// Response.ReplyTo fills in what follows from the messages.
type Reply struct {
	Close       bool   // the client's connection ends after this response
	ClientMinor byte   // the client's HTTP version
	SetCookie   []byte // value of a Set-Cookie to add; nil: none
	// Dechunk announces a body without chunk framing that ends with the
	// connection, so Close holds too: the caller sends Body.Next's data instead
	// of the wire form.
	Dechunk bool
}

// AppendTo appends the response head for the client to dst.
func (r *Response) AppendTo(dst []byte, rep *Reply) []byte { return dst }
