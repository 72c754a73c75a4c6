// Package tcp relays TCP connections to the endpoints of a service.
//
//	client ──►  up pump  ──► endpoint     two goroutines per connection;
//	       ◄── down pump ◄──              each owns one direction
//	               ▲
//	             watch                    a timer that reads byte counters: idle
//	                                      timeout, metrics
//
// A connection goes to the endpoint that the service's policy and affinity
// choose. One that does not accept is passed over for the next alternative,
// each endpoint at most once; a client for whom there is nobody is reset.
//
// A pump copies messages while they are small, and hands the rest of the stream
// to the kernel (splice(2)) once somebody sends in bulk. While it waits it holds
// no buffer and no pipe. How bytes went, and why some were copied, is counted.
//
// Ends are passed on as they are:
//
//	what happened                    the other side sees     outcome
//	one side closes its direction    that end; the other     -
//	                                 direction goes on
//	both have closed                 -                       Success
//	the client resets                a reset                 Neutral
//	the endpoint resets              a reset                 Failure
//	no byte for Service.Timeout      the end of both         Neutral
//	Abort                            a reset, both           Neutral
//
// The files: engine.go is the face, session.go one connection's life, connect.go
// the search for an endpoint, pump.go the hot path, watch.go the clock.
package tcp
