// Package relay moves bytes both ways between a client's connection and an
// endpoint's, until both have ended.
//
//	client ──►  up pump  ──► endpoint     two goroutines per relay;
//	       ◄── down pump ◄──              each owns one direction
//	               ▲
//	             watch                    a timer that reads byte counters: idle
//	                                      timeout, metrics
//
// It is what a TCP connection is from the connect on, and an HTTP connection
// from its upgrade on.
//
// A pump copies messages while they are small, and hands the rest of the stream
// to the kernel (splice(2)) once somebody sends in bulk. While it waits it holds
// no buffer and no pipe. How bytes went, and why some were copied, is counted.
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
// The files: relay.go is the face, pump.go the hot path, watch.go the clock.
package relay
