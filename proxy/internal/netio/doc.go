// Package netio is the connection that the engines read and write.
//
// A [Conn] is a net.Conn, with four things that a proxy wants from it:
//
//   - Calls the scheduler does not see. On Linux, reading and writing are
//     non-blocking system calls of our own; Go's netpoller is asked only to
//     wait. Elsewhere, and for connections that are no plain sockets, such as
//     net.Pipe, data goes through the net.Conn: the same meaning, more cost.
//     TLS is package tls's over such a Conn (TLSServer, TLSClient).
//   - Deadlines that are free to move. ReadBy and WriteBy may be called for
//     every request; the runtime's timer is touched only when it would fire too
//     late. Interrupt wakes whoever is blocked.
//   - Bytes that never enter user memory. Splice moves a body or a stream
//     between two sockets inside the kernel.
//   - Waiting that costs no memory. Receive borrows its buffer when there is
//     something to put into it.
//
// And it answers questions that net.Conn cannot: has the peer gone, may this
// idle connection be used again?
//
// The usual loop of a relay:
//
//	for {
//		b, err := src.Receive(pool)
//		if err != nil {
//			return err
//		}
//		_, err = dst.Write(b.B)
//		b.Free()
//		if err != nil {
//			return err
//		}
//	}
package netio
