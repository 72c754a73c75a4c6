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

	head head
}

// Parse reads a response head from the start of buf as the answer to a request
// with this method, and returns its size; all as in Request.Parse, except that
// no empty line may come first. Heads with a 1xx Status are interim, the final
// one follows, but for 101.
func (r *Response) Parse(buf []byte, method []byte, lim Limits) (n int, err error) {
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
	n, err = r.parse(buf, method, lim.Fields)
	return h.remember(buf, n, err, limited)
}

// Reset forgets the message, and how far a half-read head was looked at.
// Capacity is kept.
func (r *Response) Reset() {
	fields, head := r.Fields, r.head.memory()
	clear(fields)
	*r = Response{} // in two steps it is made in place
	r.Fields, r.head.memo = fields[:0], head
}

func (r *Response) parse(buf, method []byte, limit int) (n int, err error) {
	r.head.begin()
	start, err := r.parseLine(buf)
	if start == 0 || err != nil {
		return 0, err
	}
	r.head.past = true
	r.Fields, n, err = r.head.parseFields(buf, start, r.Fields[:0], inResponse, limit)
	if n == 0 || err != nil {
		return 0, err
	}
	if err := r.conclude(method); err != nil {
		return 0, err
	}
	return n, nil
}

// parseLine reads the status line and returns where the fields begin, or 0 if
// buf ends before it does. The space before an empty reason may be missing: it
// often is, and nothing is in doubt.
func (r *Response) parseLine(buf []byte) (start int, err error) {
	var i int
	if r.Minor, i, err = parseVersion(buf); i == 0 {
		return 0, err
	}
	r.Status = 0
	for at := i; i < at+4; i++ {
		switch {
		case i == len(buf):
			return 0, nil
		case i == at && buf[i] != ' ', i > at && !is(buf[i], isDigit), i == at+1 && buf[i] == '0':
			return 0, ErrStartLine
		case i > at:
			r.Status = r.Status*10 + int(buf[i]-'0')
		}
	}
	from := i
	if i < len(buf) && buf[i] == ' ' {
		from = i + 1
		i = valueEnd(buf, from)
	}
	r.Reason = buf[from:i]
	return crlf(buf, i)
}

// conclude decides what the whole head means, as the answer to method.
func (r *Response) conclude(method []byte) (err error) {
	h := &r.head
	var none bool
	if r.Framing, r.Length, none, err = h.framing(r.Minor); err != nil {
		return err
	}
	// RFC 9112 §9.3: close wins; before 1.1 a connection stays only on request.
	r.Close = h.close || r.Minor == 0 && !h.keepAlive
	r.Upgrade = nil
	switch {
	case r.Status < 200:
		if err := r.concludeInterim(none); err != nil {
			return err
		}
	case r.Status == 204:
		// Some send a length, or worse a body, with a 204 (RFC 9110 §8.6
		// forbids both). What follows is not to be read as a response.
		r.Close = r.Close || !none && r.Length != 0 || r.Framing == Chunked
		r.Framing, r.Length = NoBody, 0
	case r.Status == 304 || string(method) == "HEAD":
		r.Framing, r.Length = NoBody, 0
	case none:
		r.Framing, r.Close = UntilClose, true
	}
	h.cutListed(r.Fields)
	return nil
}

func (r *Response) concludeInterim(none bool) error {
	h := &r.head
	if r.Framing == Chunked || r.Length != 0 {
		return ErrInterim
	}
	r.Framing = NoBody
	if r.Status != 101 {
		return nil
	}
	if !h.upgrading || !tunnels(h.upgrade) {
		return ErrSwitch
	}
	r.Upgrade, r.Close = h.upgrade, true
	return nil
}

// ReplyTo says how the response goes to the client that sent req: Close where
// the client asked for it or only the connection's end can end the body, Dechunk
// where the client does not know chunks, Chunk where they can end a body that
// came until close. The caller adds what only it knows.
//
// Interim responses must not be sent to an HTTP/1.0 client at all (RFC 9110 §15.2).
func (r *Response) ReplyTo(req *Request) Reply {
	old := req.Minor == 0
	return Reply{
		Close:       req.Close || old && (r.Framing == Chunked || r.Framing == UntilClose) || r.Upgrade != nil,
		ClientMinor: req.Minor,
		Dechunk:     old && r.Framing == Chunked,
		Chunk:       !old && r.Framing == UntilClose,
	}
}
