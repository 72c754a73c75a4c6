// Package relay moves bytes both ways between a client's connection and an
// endpoint's, until both have ended.
//
//	client ──►  up   ──► endpoint     Relay: a goroutine for each direction
//	       ◄── down ◄──               Joint: an event loop's handler, no goroutine
//
// It is what a TCP connection is from the connect on, and an HTTP connection
// from its upgrade on.
//
// Both mean the same, and one table of tests keeps them to it. They copy messages
// while these are small, and hand the stream to the kernel (splice(2)) once
// somebody sends in bulk. What waits holds no buffer and no pipe; what a slow
// peer does not take is held, and the other side is not read meanwhile. How bytes
// went, and why some were copied, is counted.
//
// Ends are passed on as they are:
//
//	what happened                    the other side sees     cause
//	one side closes its direction    that end; the other     -
//	                                 direction goes on
//	both have closed                 -                       Well
//	the client resets                a reset                 ClientGone
//	the endpoint resets              a reset                 EndpointReset
//	no byte for the idle timeout     the end of both         Idle
//	Cut                              a reset, both           the caller's
//
// Whoever takes no more is done, but what it had sent before is still passed on.
// Meanwhile the other side is read for nobody: it may want to talk before it
// listens.
//
// A reset reaches the other side of a Joint at once; that of a Relay may have to
// take first what it was sent before.
//
// The files: relay.go is the Relay's face, pump.go its hot path, watch.go its
// clock; joint_linux.go is the Joint's face and clock, flow_linux.go its hot path.
package relay
