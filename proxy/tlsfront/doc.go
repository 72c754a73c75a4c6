// Package tlsfront takes TLS off client connections, in front of an engine that
// serves what is inside.
//
//	client ──TLS──► Engine ──► proxy/http or proxy/tcp ──► endpoint
//	                  │
//	    certificates, client CA, ticket keys: read from files, read again
//	    when the files change, and swapped for the handshakes to come
//
// Each connection's handshake is made on the goroutine that will serve it. A
// client that is silent costs that goroutine; one that has begun is bounded in
// time and, with all others that have begun, in number: should there be too
// many, the one that has taken longest has to go.
//
// Which certificate a client gets is decided by the name it asks for (SNI):
//
//	certificates that have the name        the first that suits the client
//	else those with *. and the parent      likewise
//	else, or where no name is given        the first of the file, or another one
//	                                       for the same names that suits better
//
// What is offered: TLS 1.2 with forward secrecy and AEAD ciphers only, and TLS
// 1.3 without early data. Session tickets, of 1.3 only, make a second handshake
// cheap; their keys live here, change daily, survive a reload, and are forgotten
// when the rules for client certificates change.
package tlsfront
