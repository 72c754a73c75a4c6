package loop

// AttachDatagrams is Attach for a datagram socket, which only this loop's
// handlers read and write, by its descriptor. Nobody waits for room in it: it is
// not asked for, for the kernel would tell of it after every datagram that leaves.
func (l *Loop) AttachDatagrams(c *Conn, fd int, h Handler) {
	l.Attach(c, fd, h)
	c.deaf = true
}

// FD is the descriptor, for calls that Conn does not have.
func (c *Conn) FD() int { return int(c.fd) }
