// Package hello reads the server name out of the ClientHello with which a TLS
// client begins, so that a connection can be routed by it and passed through
// untouched. It reads no socket: it looks at what has come so far and says what
// that amounts to.
//
//	bytes so far ──► Reader.Look ──► More       come again when there are more
//	                                 Found      with a name, or without
//	                                 NotTLS     something else, such as plain HTTP
//	                                 Malformed  TLS at first, but no ClientHello
//	                                 TooLong    it takes more than Max bytes
//
// A ClientHello may come in many segments and in many records (RFC 8446 §5.1).
// Today's are of about 1.8 KB, most of it a post-quantum key share; session
// tickets and padding make some larger.
//
// The name is what the client wrote: not necessarily in lower case, in ASCII, or
// a name at all. Of an encrypted ClientHello (ECH) it is the outer one, which is
// for everybody to see.
//
// The files: reader.go puts records together, message.go reads the message.
package hello
