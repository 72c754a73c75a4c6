package http

import "github.com/spillway-lb/spillway/proxy/internal/netio"

// buffers lends the memory that heads and bodies are read into. 32 KiB hold
// nearly every head, and a 16 KiB body with it in one system call.
var buffers = netio.NewPool(32 << 10)

// A window is the bytes that were read from a connection and not used yet. It
// holds a buffer only while there is something in it.
type window struct {
	lent *netio.Buffer // nil: mem is our own, or there is none
	mem  []byte
	r, w int // mem[r:w] are the bytes
}

func (v *window) bytes() []byte { return v.mem[v.r:v.w] }
func (v *window) empty() bool   { return v.r == v.w }

// full reports whether space has to move the bytes.
func (v *window) full() bool { return v.mem != nil && v.w == len(v.mem) }

// consume drops the first n bytes.
func (v *window) consume(n int) { v.r += n }

// adopt takes over a buffer that a Receive has filled. The window is empty.
func (v *window) adopt(b *netio.Buffer) {
	v.release()
	v.lent, v.mem, v.r, v.w = b, b.Space(), 0, len(b.B)
}

// space returns room for at least one more byte: behind the bytes, else after
// moving them to the front, else in a buffer of twice the size up to limit. It
// is empty when limit is reached. Moving and growing change where bytes() is.
func (v *window) space(limit int) []byte {
	switch {
	case v.mem == nil:
		v.adoptEmpty()
	case v.w < len(v.mem):
	case v.r > 0:
		v.w = copy(v.mem, v.bytes())
		v.r = 0
	case len(v.mem) < limit:
		grown := make([]byte, min(2*len(v.mem), limit))
		n := copy(grown, v.bytes())
		v.release()
		v.mem, v.r, v.w = grown, 0, n
	}
	return v.mem[v.w:]
}

func (v *window) adoptEmpty() {
	v.lent = buffers.Get()
	v.mem, v.r, v.w = v.lent.Space(), 0, 0
}

// release gives the memory back.
func (v *window) release() {
	if v.lent != nil {
		v.lent.Free()
	}
	*v = window{}
}
