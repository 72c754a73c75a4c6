// Package tcp relays TCP connections to the endpoints of a service.
//
//	client ──► session: pick, connect ──► endpoint
//	                │
//	                └─► relay: bytes both ways, until both sides have ended
//
// A connection goes to the endpoint that the service's policy and affinity
// choose. One that does not accept is passed over for the next alternative,
// each endpoint at most once; a client for whom there is nobody is reset.
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
// above all the search for an endpoint; stream.go and loop_linux.go are the ways.
package tcp
