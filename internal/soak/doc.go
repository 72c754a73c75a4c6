// Package soak runs the whole proxy under mixed traffic while endpoints come and
// go and the file is reloaded, and looks for one wrong byte, one crossed
// response, one leak. It has nothing but tests.
//
//	go test ./internal/soak                                        a second or more for each traffic and engine
//	go test ./internal/soak -v -run Soak -timeout 1h -soak 10m     a night's work in forty minutes
//	go test ./internal/soak -v -run 'Soak$' -race -soak 5m -seed 42   HTTP alone, with the choices of an earlier run
//	go test ./internal/soak -v -run Streams -soak 5m -engine stream   one engine; else all that the file may name
//
// TestSoak is HTTP/1.1 with a little TCP beside it; TestSoakStreams is TCP, and
// TLS in it; TestSoakDatagrams is UDP.
//
// With -v, counts are printed every ten seconds and memory every minute. The
// seed decides what each client asks and how, what endpoints answer, and what
// the operator does; how they interleave it cannot decide.
//
//	clients ──► proxy (internal/app, from a file) ──► endpoints
//	  │               ▲                                   │
//	  │               └── operator: reload, drain, kill ──┤
//	  └────────────────── both know every byte of a plan ─┘
//
// A plan is one request with its response. It travels in the request's target,
// so that both ends know each byte of both bodies: they compare, which is more
// than a checksum. There are four services, and each makes a promise:
//
//	steady   endpoints are restarted only when drained, and keep
//	         connections: every request is answered as planned
//	closing  as steady, but connections are closed without notice once a
//	         response is sent: idempotent requests without a body are answered as
//	         planned; others may get 502 connection_terminated
//	wild     endpoints die, come back, are slow, cut, reset, send surplus and
//	         garbage: there may be an error, never a wrong byte; what is cut
//	         looks cut; a request without a body is always answered
//	echo     TCP, as steady
//
// Nowhere does a POST reach endpoints twice, or what is malformed reach them at
// all. When the traffic is over no lease is left, and goroutines and descriptors
// are those that there were before it.
//
// A stream, too, has a plan, which is its first line: who says how much, who ends
// first, who leaves or resets and where. Its services are steady and wild as
// above, idle, whose connections are ended by their timeout, and named, whose
// endpoints speak TLS and are found by the name in the ClientHello. Clients come
// to others also through TLS that ends at the proxy, and from behind another
// proxy. What resets looks reset to the other end.
//
// A datagram knows its answers. Some may be lost, but none comes twice or to
// another client, however late it is, and steady loses few.
//
// One thing is not asked for: bytes that an endpoint sends unasked while its
// connection is idle belong to nobody, but if they arrive after the next request
// was sent, no proxy can tell. So surplus is sent in one piece with its response.
package soak
