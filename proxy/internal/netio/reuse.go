package netio

// Reusable is Idle for a connection that is to be closed where it is not, and for
// who reads it.
//
// Over TLS 1.3 a peer sends session tickets and new keys when it likes (RFC 8446
// §4.6). They are no data, and no reason to give the connection up: they are
// taken, and seen by package tls. What is not over then is: data that nobody has
// asked for, an end, and a part of a record, which may become either.
func (c *Conn) Reusable() bool {
	r := c.records
	if r == nil {
		return c.Idle()
	}
	if !canProbe || c.sock == nil || c.Handshake() != nil { // which was made long ago, see receiveTLS
		return false
	}
	r.dry = true
	defer func() { r.dry = false }()
	for !r.more.Load() {
		if r.held == nil {
			if c.sock.idle() {
				return r.header == 0
			}
			if r.fill() != nil {
				return false
			}
		}
		// This ends: package tls bears with a few such records in a row.
		if n, err := c.net.Read(make([]byte, 1)); n > 0 || err != errDry {
			return false
		}
	}
	return false
}
