// Package http is the HTTP/1.1 engine: it takes requests from clients to the
// endpoints that a balancer picks, and brings their responses back.
//
// What a message means is decided in package h1, on bytes. An exchange reads a
// head, picks, writes to the endpoint, reads the response and writes it to the
// client; while a request body that did not come with its head is being
// uploaded, both directions stream. It is written once, as if it blocked, and
// runs over two drivers: Stream, with a goroutine for each client's connection,
// and Loop, with an event loop for each core, where what waits is a task and what
// need not wait is none. Options.Loops chooses.
//
//	driver.go    what an exchange needs of the world around it
//	stream.go    goroutines; pool.go has their idle connections to endpoints
//	loop, quick  event loops (…_linux.go); looppool has theirs
//	client.go    one connection after the other exchange
//	exchange.go  one request: route, pick, connect, send, and what to try next
//	response.go  one response: receive, relay, give the connection back
//	affinity.go  what names the client; session.go, where that is an endpoint
//	loadreport   what the endpoint says of its load, taken out
//	upload.go    the rest of a request body, beside the response
//	tunnel.go    after 101: bytes both ways
//	retry.go     may a failed attempt be made again? (pure)
//	again.go     and if so: hold a response back, ask another endpoint
//	failure.go   every way to fail: status, cause, whose fault
//	finish.go    tell the client, count, log
//
// Bodies are never collected: a byte goes on when it comes, and a large body
// inside the kernel. A client that leaves cancels its request, and nobody is
// blamed. An endpoint that is cut off in the middle of a response is a cut for
// the client too, never an end.
package http
