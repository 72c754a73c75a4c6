// Package tcp relays TCP connections to the endpoints of a service.
//
//	client ──► session: (SNI), pick, connect ──► endpoint
//	                │
//	                └─► relay: bytes both ways, until both sides have ended
//
// A connection goes to the endpoint that the service's policy and affinity
// choose. One that does not accept is passed over for the next alternative,
// each endpoint at most once; a client for whom there is nobody is reset.
//
// Where there are routes the service is chosen by the name that a TLS client asks
// for in its ClientHello (SNI). The proxy waits for that, reads along, and passes it
// on with what follows: TLS is between the client and the endpoint.
//
// Bytes are the business of proxy/internal/relay: how they go, when the kernel
// moves them, how ends are passed on. What an end means here:
//
//	what happened                    outcome
//	both sides have closed           Success
//	the client reset                 Neutral
//	the endpoint reset               Failure
//	no byte for Service.Timeout      Neutral
//	Abort                            Neutral
//
// A session is served in one of two ways, to the same effect: by goroutines, or
// on an event loop (proxy.Loops), where it has none of its own and is a struct
// while nothing moves.
//
// The files: engine.go is the face, session.go what is the same for both ways,
// above all the search for an endpoint; stream.go and loop_linux.go are the ways,
// and sni.go and sni_linux.go are for routes.
package tcp
