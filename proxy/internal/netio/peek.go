package netio

import "io"

// Peek copies what there is to read into p and leaves it there, also for a
// splice. It waits until that is more than have bytes, which is to be less than
// p holds. Where the stream has ended before, the error is io.EOF and n is what
// there is. Like Read it is for one goroutine, and obeys ReadBy.
func (c *Conn) Peek(p []byte, have int) (n int, err error) {
	for {
		if c.raw.on {
			n, err = c.rawPeek(p, have)
		} else {
			n, err = c.readAhead(p, have)
		}
		if err == nil || !c.resumable(err, &c.readBy) {
			return n, err
		}
	}
}

// Take reads the len(p) bytes that Peek has shown first. They do not count as
// received: they are for us, and not for whom the connection is relayed to.
func (c *Conn) Take(p []byte) error {
	n, err := io.ReadFull(c, p)
	c.received.Add(-int64(n))
	return err
}

// readAhead is Peek where the platform has none: what was read is kept for Read.
func (c *Conn) readAhead(p []byte, have int) (int, error) {
	n := copy(p, c.ahead)
	if n > have {
		return n, nil
	}
	k, err := c.net.Read(p[n:])
	c.ahead = append(c.ahead, p[n:n+k]...)
	if k > 0 {
		err = nil // it will come again
	}
	return n + k, err
}

// fromAhead gives what was read ahead.
func (c *Conn) fromAhead(p []byte) int {
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil
	}
	return n
}
