// Package h1 is the HTTP/1.1 message core: what bytes mean, and which bytes to
// send on. It has no I/O, goroutine or clock, and allocates nothing per message.
// The drivers that move the bytes all use it, so HTTP means the same in each.
//
//	client ──bytes──► Request.Parse ─► Request.AppendTo ──► endpoint
//	                  Body.Follow ──── same bytes ────────►
//
//	client ◄──────── Response.AppendTo ◄─ Response.Parse ◄──bytes── endpoint
//	       ◄──────── same bytes, or Body.Next's data ◄──── Body
//
// A head is parsed in place: fields are slices of the caller's buffer, and most of
// it is forwarded by copying what lies between the few fields that a proxy must
// change. A body is never held: a Body says of each piece how much of it belongs
// to the message, so a driver can copy it, splice it or throw it away.
//
// The grammar is that of RFC 9112 and RFC 9110, with no leniency where two readers
// could disagree: bare CR or LF, folded lines, space before a colon, Content-Length
// beside Transfer-Encoding, anything but one final "chunked", repeated lengths,
// Host missing, repeated or different from the target's, all are an *Error. The
// connection it came from is then closed, and nothing forwarded. Endpoints are
// held to the same grammar.
//
// Left to the caller: routing (Path is as received: dot segments and percent-encoding
// are not resolved), Max-Forwards, and that interim responses do not reach HTTP/1.0
// clients.
package h1
