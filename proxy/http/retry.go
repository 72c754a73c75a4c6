package http

import "github.com/spillway-lb/spillway/proxy"

// An attempt is what the retry rule has to know of a try on an endpoint that
// failed, or brought a response that is not wanted, before any byte of a final
// response went to the client.
type attempt struct {
	number     int  // from 1, for the log
	others     int  // how many of those before it were retries on another endpoint
	connected  bool // there was a connection
	reused     bool // it had carried exchanges before
	sent       bool // some byte of the request went out on it
	broken     bool // it ended; false: time ran out, or what came was no HTTP
	refreshed  bool // a fresh connection was tried after a stale one already
	idempotent bool // RFC 9110 §9.2.2
	replayable bool // no part of the request is lost to us
	interim    bool // an interim response came
	status     int  // of the final response that came; 0: none did
}

// A verdict says how to go on after a failed attempt.
type verdict uint8

const (
	giveUp       verdict = iota // tell the client
	anotherOne                  // try another endpoint
	freshConnect                // try the same endpoint on a new connection
	overBudget                  // anotherOne, but too many others are being tried again
	nobodyElse                  // anotherOne, but there is none
)

var verdicts = [...]string{
	"give up", "another endpoint", "fresh connection", "give up: over the retry budget", "give up: no other endpoint",
}

// maxAttempts bounds how many endpoints one request tries to connect to where
// the file does not say.
const maxAttempts = 4

// ownRule is for services without a [service.retry]: what was provably not
// processed is tried again.
var ownRule = &proxy.Retry{On: proxy.RetryConnectFailure | proxy.RetryRefusedStream, Most: maxAttempts - 1}

// judge decides whether a failed attempt is made again. It is pure.
//
// Whatever the service's rule is, only what was provably not processed, or may
// be processed twice, is sent again (RFC 9110 §9.2.2, RFC 9112 §9.3.1), and
// only while all of it is still here. Nor after an interim response: some of an
// answer is with the client, and the endpoint is at work.
//
// A reused connection that broke before a response began was most likely closed
// while idle, and the news crossed our request. That says nothing against its
// endpoint: once, it is tried on a fresh connection, and the rule is not asked,
// unless it allows no request to be sent twice at all.
//
// All else is for the rule, which says what is worth another endpoint.
func judge(a attempt, rule *proxy.Retry) verdict {
	switch {
	case !a.replayable || a.interim:
	case a.seen() && (!a.idempotent || rule.Most == 0):
	case a.connected && a.reused && a.broken && !a.refreshed:
		return freshConnect
	case a.others < rule.Most && rule.On&a.conditions() != 0:
		return anotherOne
	}
	return giveUp
}

// seen reports whether the endpoint may have seen some of the request.
func (a attempt) seen() bool { return a.connected && a.sent }

// conditions are those that the attempt meets. Where no response came the
// client would get our own 502 or 504.
func (a attempt) conditions() proxy.RetryOn {
	switch {
	case a.status != 0:
		return statusConditions(a.status)
	case !a.connected:
		return proxy.RetryConnectFailure | proxy.RetryGatewayError | proxy.Retry5xx
	case a.broken && !a.sent:
		return proxy.RetryRefusedStream | proxy.RetryGatewayError | proxy.Retry5xx
	}
	return proxy.RetryGatewayError | proxy.Retry5xx
}

// statusConditions are those of a response. One that tells of a loop meets none: each
// round of it would ask again.
func statusConditions(status int) proxy.RetryOn {
	switch {
	case status == circling.status:
	case 502 <= status && status <= 504:
		return proxy.RetryGatewayError | proxy.Retry5xx
	case 500 <= status && status <= 599:
		return proxy.Retry5xx
	case status == 409:
		return proxy.RetryRetriable4xx
	}
	return 0
}
