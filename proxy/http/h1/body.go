package h1

// A Body follows a message's body through its wire form. It holds no bytes of
// it: feed it what was read, in pieces of any size. The zero value is a body
// that is done.
type Body struct{}

// Reset begins a body; length counts for Length only.
func (b *Body) Reset(f Framing, length int64) {}

// Next consumes the first n bytes of p. data is the payload among them, as a
// slice of p: one contiguous piece, of one chunk at most, and possibly empty.
// Bytes after the end of the body are left alone. n is less than len(p) only
// before the next chunk's data, at the end and on error; errors stay.
func (b *Body) Next(p []byte) (n int, data []byte, err error) { return 0, nil, nil }

// Follow consumes as much of p as belongs to the body, checked like Next: for a
// driver that passes the wire form on as it is.
func (b *Body) Follow(p []byte) (n int, err error) { return 0, nil }

// Done says whether the whole body has been seen.
func (b *Body) Done() bool { return true }

// Remaining is the number of payload bytes that follow next without framing
// between them: of the length, or of the current chunk. 0 if framing comes next or
// the body is done, -1 until close. So many a driver may splice, then Advance.
func (b *Body) Remaining() int64 { return 0 }

// Advance notes that n payload bytes, at most Remaining, went by outside.
func (b *Body) Advance(n int64) {}

// EOF judges the end of the connection: nil if it ends the body properly (it is
// until close, or done already), else ErrCut.
func (b *Body) EOF() error { return nil }
