// Package udp passes datagrams between clients and the endpoints of a service.
//
//	clients ──► socket ──► session: pick ──► port ──► endpoints
//	        ◄────────────────────────────────────◄──
//
// A session is a client's address and port, and the endpoint that the service's
// policy and affinity have chosen for it. It has no goroutine, buffer or socket of
// its own: it sends from a port, which it shares with sessions of other endpoints,
// for whoever answers says whose it is. No answer ever reaches another client: one
// that comes from elsewhere is dropped, and for half a minute no other session of
// that endpoint has the port.
//
//	what happens                             the session
//	no datagram either way for idle_timeout  ends
//	the endpoint is not well, or gone        picks again, for the client's next datagram
//	the endpoint cannot be reached           the same, elsewhere; the endpoint has failed
//	the endpoint drains                      stays
//	the listener drains                      ends after two seconds of silence
//
// What an endpoint could not be reached with goes to the next one, if the kernel gives
// it back and it is what was sent: nobody gets a part of a datagram, or a forged one.
//
// With PER_SESSION tracking all sessions of a client, as its affinity sees it, are
// on one endpoint (pin.go).
//
// Nothing is queued but in the kernel's buffers, and up to eight datagrams of a
// session whose endpoint is a name that is being resolved. What does not fit is
// dropped, and counted by reason: see proxy.UDPDrop.
//
// The files: listener.go is the face; shard.go the hot path, top to bottom; place.go
// how sessions find endpoints; nat.go has the ports; loop_linux.go and stream.go are how datagrams move, on
// event loops in batches, or with a goroutine for each session. Elsewhere than on
// Linux the answers of a listener on all addresses leave from where the system
// sends them.
package udp
