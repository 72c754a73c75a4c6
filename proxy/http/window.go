package http

import "github.com/spillway-lb/spillway/proxy/internal/netio"

// buffers lends the memory that heads and bodies are read into. 32 KiB hold
// nearly every head, and a 16 KiB body with it in one system call. What stays
// while an exchange waits for its endpoint is mostly a small head, which then
// moves to a small buffer.
var (
	buffers      = netio.NewPool(32 << 10)
	smallBuffers = netio.NewPool(2 << 10)
)

// A window is the bytes that were read from a connection and not used yet. It
// holds a buffer only while there is something in it.
type window struct {
	buf  *netio.Buffer
	r, w int32 // buf.Space()[r:w] are the bytes
}

func (v *window) bytes() []byte {
	if v.buf == nil {
		return nil
	}
	return v.buf.Space()[v.r:v.w]
}

func (v *window) size() int   { return int(v.w - v.r) }
func (v *window) empty() bool { return v.r == v.w }

// full reports whether space has to move the bytes.
func (v *window) full() bool { return v.buf != nil && int(v.w) == len(v.buf.Space()) }

// consume drops the first n bytes.
func (v *window) consume(n int) { v.r += int32(n) }

// filled notes that n bytes were read into space.
func (v *window) filled(n int) { v.w += int32(n) }

// adopt takes over a buffer that a Receive has filled. The window is empty.
func (v *window) adopt(b *netio.Buffer) {
	v.release()
	v.buf, v.r, v.w = b, 0, int32(len(b.B))
}

// keepSmall moves what may stay for a while to a small buffer, if it fits and
// leaves room.
func (v *window) keepSmall(p *netio.Pool) {
	if v.buf != nil && v.size() <= p.Size()/2 && len(v.buf.Space()) > p.Size() {
		v.move(p.Get())
	}
}

// move takes the bytes to another buffer.
func (v *window) move(to *netio.Buffer) {
	n := copy(to.Space(), v.bytes())
	v.release()
	v.buf, v.w = to, int32(n)
}

// space returns room for at least one more byte: behind the bytes, else after
// moving them to the front, else in a larger buffer, up to limit. It is empty
// when limit is reached. Moving and growing change where bytes() is.
func (v *window) space(limit int) []byte {
	switch {
	case v.buf == nil:
		v.buf = buffers.Get()
	case !v.full():
	case v.r > 0:
		v.w = int32(copy(v.buf.Space(), v.bytes()))
		v.r = 0
	case len(v.buf.Space()) < buffers.Size():
		v.move(buffers.Get())
	case len(v.buf.Space()) < limit:
		v.move(netio.NewBuffer(min(2*len(v.buf.Space()), limit)))
	}
	return v.buf.Space()[v.w:]
}

// release gives the memory back.
func (v *window) release() {
	if v.buf != nil {
		v.buf.Free()
	}
	*v = window{}
}
