package netio

import "sync"

// A Pool lends buffers of one size.
type Pool struct {
	size  int
	free  sync.Pool
	far   *Pool     // of a local pool: where it gets buffers, and where those go that are too many
	local []*Buffer // of a local pool: those at hand, the warmest last
}

// maxLocal is how many buffers a local pool keeps at hand.
const maxLocal = 64

// NewPool returns a pool of buffers of size bytes.
func NewPool(size int) *Pool { return &Pool{size: size} }

// Size is the size of its buffers.
func (p *Pool) Size() int { return p.size }

// NewBuffer returns a buffer that no pool has lent.
func NewBuffer(size int) *Buffer { return &Buffer{store: make([]byte, size)} }

// Local returns a pool in front of p for who is never in two places at once, such
// as an event loop: it gives and takes without asking anybody.
func (p *Pool) Local() *Pool { return &Pool{size: p.size, far: p} }

// Get lends a buffer, with nothing in it. Its owner calls Free once.
func (p *Pool) Get() *Buffer {
	if p.far != nil {
		return p.getLocal()
	}
	if b, ok := p.free.Get().(*Buffer); ok {
		return b
	}
	return &Buffer{store: make([]byte, p.size), pool: p}
}

func (p *Pool) getLocal() *Buffer {
	n := len(p.local) - 1
	if n < 0 {
		b := p.far.Get()
		b.pool = p
		return b
	}
	b := p.local[n]
	p.local[n] = nil
	p.local = p.local[:n]
	return b
}

// A Buffer is lent by a Pool.
type Buffer struct {
	B     []byte // what is in it, from the start of its store
	store []byte
	pool  *Pool
}

// Space returns the whole store, for reading into. B is what the owner makes of it.
func (b *Buffer) Space() []byte { return b.store }

// Free gives the buffer back. Neither it nor its bytes may be used after.
func (b *Buffer) Free() {
	b.B = nil
	switch p := b.pool; {
	case p == nil:
	case p.far == nil:
		p.free.Put(b)
	case len(p.local) < maxLocal:
		p.local = append(p.local, b)
	default:
		b.pool = p.far
		p.far.free.Put(b)
	}
}

// Receive is Read into a buffer that is borrowed from p only once there is
// something to read: a connection that waits costs no buffer (where the
// platform allows; elsewhere it holds one). The caller frees it. With an error
// there is none.
func (c *Conn) Receive(p *Pool) (*Buffer, error) {
	for {
		b, err := c.receive(p)
		if err == nil {
			c.received.Add(int64(len(b.B)))
			return b, nil
		}
		if !c.resumable(err, &c.readBy) {
			return nil, err
		}
	}
}

func (c *Conn) receive(p *Pool) (*Buffer, error) {
	if c.raw.on {
		return c.rawReceive(p)
	}
	if len(c.ahead) > 0 {
		b := p.Get()
		b.B = b.store[:c.fromAhead(b.store)]
		return b, nil
	}
	if c.records != nil {
		return c.receiveTLS(p)
	}
	b := p.Get()
	n, err := c.net.Read(b.store)
	if n == 0 && err != nil {
		b.Free()
		return nil, err
	}
	b.B = b.store[:n] // an error that came with bytes will come again
	return b, nil
}
