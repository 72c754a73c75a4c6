//go:build !unix

package udp

import "net"

// receive waits for a datagram, in a room of its own. The caller frees it, whatever the
// error is.
func receive(c *net.UDPConn) (r *room, err error) {
	r = rooms.Get().(*room)
	r.n, err = c.Read(r.space[:])
	return r, err
}
