package http

// An attempt is what the retry rule has to know of a try that failed before any
// byte of a response arrived.
type attempt struct {
	number     int  // from 1
	connected  bool // there was a connection
	reused     bool // it had carried exchanges before
	sent       bool // some byte of the request went out on it
	broken     bool // it ended; false: time ran out, or what came was no HTTP
	refreshed  bool // a fresh connection was tried after a stale one already
	idempotent bool // RFC 9110 §9.2.2
	replayable bool // no part of the request is lost to us
	interim    bool // an interim response came
}

// A verdict says how to go on after a failed attempt.
type verdict uint8

const (
	giveUp       verdict = iota // tell the client
	anotherOne                  // try another endpoint
	freshConnect                // try the same endpoint on a new connection
)

var verdicts = [...]string{"give up", "another endpoint", "fresh connection"}

// maxAttempts bounds how many endpoints one request tries to connect to.
const maxAttempts = 4

// judge decides whether a failed attempt is made again. It is pure.
//
// Only what was provably not processed, or may be processed twice, is sent
// again (RFC 9110 §9.2.2, RFC 9112 §9.3.1):
//
//   - Nobody accepted the connection, so nobody saw the request: another
//     endpoint, whatever the method.
//   - A reused connection broke before a response began. Most likely it was
//     closed while idle and the news crossed our request. Once, on a fresh
//     connection, if nothing was sent, or if the method is idempotent and no
//     part of the request is gone from memory.
//
// A fresh connection that breaks after the request went out is the endpoint's
// failure: what it did with the request is not known. Nor is it after a
// timeout.
func judge(a attempt) verdict {
	switch {
	case !a.connected:
		if a.number < maxAttempts && a.replayable {
			return anotherOne
		}
	case a.reused && a.broken && !a.refreshed && a.replayable && !a.interim:
		if !a.sent || a.idempotent {
			return freshConnect
		}
	}
	return giveUp
}
