package netio

import "sync"

// A Pool lends buffers of one size.
type Pool struct {
	size int
	free sync.Pool
}

// NewPool returns a pool of buffers of size bytes.
func NewPool(size int) *Pool { return &Pool{size: size} }

// Size is the size of its buffers.
func (p *Pool) Size() int { return p.size }

// NewBuffer returns a buffer that no pool has lent.
func NewBuffer(size int) *Buffer { return &Buffer{store: make([]byte, size)} }

// Get lends a buffer, with nothing in it. Its owner calls Free once.
func (p *Pool) Get() *Buffer {
	if b, ok := p.free.Get().(*Buffer); ok {
		return b
	}
	return &Buffer{store: make([]byte, p.size), pool: p}
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
	if b.pool != nil {
		b.pool.free.Put(b)
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
	b := p.Get()
	n, err := c.net.Read(b.store)
	if n == 0 && err != nil {
		b.Free()
		return nil, err
	}
	b.B = b.store[:n] // an error that came with bytes will come again
	return b, nil
}
