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
// The files: engine.go is the face, session.go one connection's life, connect.go
// the search for an endpoint.
package tcp
