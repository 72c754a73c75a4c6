package h1

// Bounds of what surrounds the payload in a chunked body. net/http has the
// first and the last; it reads trailers of any size.
const (
	maxChunkLine = 4096     // chunk size, extensions and CRLF
	maxTrailer   = 8 << 10  // the whole trailer section
	freeOverhead = 16 << 10 // framing in excess of 16 bytes a chunk and twice the payload
	maxSizeHex   = 16       // digits of a chunk size, leading zeros included
)

// longestForbidden is the size of the longest name that a trailer may not have,
// but for X-Forwarded-*, which shows in less.
const longestForbidden = len("proxy-authorization")

// A Body follows a message's body through its wire form. It holds no bytes of
// it: feed it what was read, in pieces of any size. The zero value is a body
// that is done.
type Body struct {
	state state
	left  int64 // payload bytes to come, of the body or of the chunk
	err   error // stays

	line   int   // bytes of the current chunk line, or of the trailer section
	digits int   // of the chunk size
	excess int64 // see freeOverhead

	name [longestForbidden + 1]byte // of the current trailer field, as much as fits
	size int
}

// state is the place in the wire form:
//
//	data ─► done
//
//	size ─► ext ─► sizeLF ─► data ─► dataCR ─► dataLF ─► size
//	                   └─► trailer ─► endLF ─► done
//	                       │    ▲
//	                       ▼    └─ valueLF ◄┐
//	                       name ─► value ───┘
type state uint8

const (
	sDone state = iota
	sLength
	sClose
	sSize
	sExt
	sSizeLF
	sData
	sDataCR
	sDataLF
	sTrailer
	sName
	sValue
	sValueLF
	sEndLF
)

// Reset begins a body; length counts for Length only.
func (b *Body) Reset(f Framing, length int64) {
	*b = Body{}
	switch {
	case f == Length && length > 0:
		b.state, b.left = sLength, length
	case f == Chunked:
		b.state = sSize
	case f == UntilClose:
		b.state = sClose
	}
}

// Next consumes the first n bytes of p. data is the payload among them, as a
// slice of p: one contiguous piece, of one chunk at most, and possibly empty.
// Bytes after the end of the body are left alone. n is less than len(p) only
// before the next chunk's data, at the end, and on error: then the n bytes before
// the offending one are sound, and the error stays.
func (b *Body) Next(p []byte) (n int, data []byte, err error) {
	for b.err == nil && n < len(p) {
		switch b.state {
		case sDone:
			return n, data, nil
		case sClose:
			return len(p), p, nil
		case sLength, sData:
			if len(data) > 0 {
				return n, data, nil
			}
			size := min(b.left, int64(len(p)-n))
			data = p[n : n+int(size)]
			n += int(size)
			b.Advance(size)
		default:
			if b.err = b.step(p[n]); b.err == nil {
				n++
			}
		}
	}
	return n, data, b.err
}

// Follow consumes as much of p as belongs to the body, checked like Next: for a
// driver that passes the wire form on as it is.
func (b *Body) Follow(p []byte) (n int, err error) {
	for n < len(p) && b.state != sDone {
		m, _, err := b.Next(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, b.err
}

// Done says whether the whole body has been seen.
func (b *Body) Done() bool { return b.state == sDone }

// Remaining is the number of payload bytes that follow next without framing
// between them: of the length, or of the current chunk. 0 if framing comes next or
// the body is done, -1 until close. So many a driver may splice, then Advance.
func (b *Body) Remaining() int64 {
	switch b.state {
	case sClose:
		return -1
	case sLength, sData:
		return b.left
	}
	return 0 // left may be half a chunk's size
}

// Advance notes that n payload bytes went by outside. More than Remaining is a
// mistake of the caller's after which nothing can be trusted: it panics.
func (b *Body) Advance(n int64) {
	if b.state == sClose {
		return
	}
	if n < 0 || n > b.Remaining() {
		panic("h1: Advance beyond Remaining")
	}
	if b.left -= n; b.left > 0 || n == 0 {
		return
	}
	if b.state = b.state.afterPayload(); b.state == sDataCR {
		b.line, b.digits = 0, 0
	}
}

func (s state) afterPayload() state {
	if s == sLength {
		return sDone
	}
	return sDataCR
}

// EOF judges the end of the connection: nil if it ends the body properly (it is
// until close, or done already), else ErrCut.
func (b *Body) EOF() error {
	if b.err != nil {
		return b.err
	}
	if b.state == sClose || b.state == sDone {
		b.state = sDone
		return nil
	}
	return ErrCut
}

// step takes one byte of framing (RFC 9112 §7.1).
func (b *Body) step(c byte) error {
	switch b.state {
	case sSize, sExt, sSizeLF:
		return b.stepSize(c)
	case sDataCR:
		return b.want(c, '\r', sDataLF, ErrChunk)
	case sDataLF:
		return b.want(c, '\n', sSize, ErrChunk)
	}
	return b.stepTrailer(c)
}

func (b *Body) want(c, wanted byte, next state, err error) error {
	if c != wanted {
		return err
	}
	b.state = next
	return nil
}

// stepSize takes a byte of chunk-size [ chunk-ext ] CRLF.
func (b *Body) stepSize(c byte) error {
	if b.line++; b.line >= maxChunkLine {
		return ErrOverhead
	}
	switch b.state {
	case sSize:
		return b.stepDigit(c)
	case sExt:
		if is(c, isValue) {
			return nil
		}
		return b.want(c, '\r', sSizeLF, ErrChunk)
	}
	if c != '\n' {
		return ErrChunk
	}
	return b.beginChunk()
}

func (b *Body) stepDigit(c byte) error {
	if is(c, isHex) {
		if b.digits++; b.digits > maxSizeHex || b.left>>59 != 0 {
			return ErrChunk
		}
		b.left = b.left<<4 | int64(hex(c))
		return nil
	}
	if b.digits == 0 {
		return ErrChunk
	}
	switch c {
	case '\r':
		b.state = sSizeLF
	case ';':
		b.state = sExt
	default: // also the whitespace before ";" that RFC 9112 §7.1.1 calls bad
		return ErrChunk
	}
	return nil
}

func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// beginChunk weighs the chunk's framing against its payload, so that nobody can
// make us work for nothing.
func (b *Body) beginChunk() error {
	b.excess += int64(b.line) + 2
	b.excess -= min(b.excess, 16+2*min(b.left, freeOverhead))
	if b.excess > freeOverhead {
		return ErrOverhead
	}
	if b.state = sData; b.left == 0 {
		b.state, b.line = sTrailer, 0
	}
	return nil
}

// stepTrailer takes a byte of the trailer section and its CRLF.
func (b *Body) stepTrailer(c byte) error {
	if b.line++; b.line > maxTrailer {
		return ErrTrailer
	}
	switch b.state {
	case sTrailer:
		b.size = 0
		if c == '\r' {
			b.state = sEndLF
			return nil
		}
		b.state = sName
		fallthrough
	case sName:
		return b.stepName(c)
	case sValue:
		if is(c, isValue) {
			return nil
		}
		return b.want(c, '\r', sValueLF, ErrTrailer)
	case sValueLF:
		return b.want(c, '\n', sTrailer, ErrTrailer)
	}
	return b.want(c, '\n', sDone, ErrTrailer)
}

func (b *Body) stepName(c byte) error {
	if is(c, isToken) {
		if b.size < len(b.name) {
			b.name[b.size] = c
			b.size++
		}
		return nil
	}
	if c != ':' || b.size == 0 || forbidden(b.name[:b.size]) {
		return ErrTrailer
	}
	b.state = sValue
	return nil
}

// forbidden says of a name that it must not come as a trailer, where a recipient
// that merges trailers into the fields would be deceived: all that a proxy
// understands, and what is essential (RFC 9110 §6.5.1).
func forbidden(name []byte) bool { return kindOf(name) != plain || essential(name) }
