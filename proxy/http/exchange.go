package http

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/http/h1"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

// An exchange is one request and its response. With connect.go and response.go this
// file is the hot path: it allocates nothing for a request on a connection that is
// there.
//
//	readHead ─► prepare ─► pick ─► connect ─► send ─► receive ─► relay ─► finish
//	                        ▲         │         │        │         │
//	                        └──────── judge ────┴────────┘      upload, where the
//	                        (before any byte of a response)     body is not sent yet
//
// Its memory is reused by one client after the other.
type exchange struct {
	req     h1.Request
	resp    h1.Response
	out     []byte   // the head for the endpoint, then the one for the client
	setLine []byte   // the Set-Cookie line's value
	target  []byte   // the request's, rewritten, or where a redirect goes
	values  [][]byte // field lines being looked at
	report  health.LoadReport
	up      upload
	exchangeState
}

// exchangeState is the part of an exchange that begins anew.
type exchangeState struct {
	c     *client
	set   *Settings
	route *proxy.Route
	svc   *proxy.Service

	headLen  int     // of the request's head in c.in
	body     h1.Body // the request's
	bodyLen  int     // how much of it is in c.in behind the head
	bodyData int64   // payload bytes seen, for MaxBodyBytes
	saidLast bool    // the client has said that no request follows

	reply    h1.Body // the response's
	back     window  // bytes from the endpoint
	answered bool    // some of the final response went to the client

	want   lb.Request
	avoid  [maxAttempts]*balance.Endpoint
	lease  lb.Lease
	load   *balance.Load // of the endpoint tried last
	codes  *proxy.Codes  // the same one's, if there was a connection
	conn   *endpointConn
	torn   bool // conn took a part of what send gave it, and no more
	try    attempt
	own    failure  // the route's own answer, which is none: see act
	peer   [40]byte // the client's address as text
	cookie [32]byte // a new affinity cookie's value
	setIt  bool     // and whether the client is to get it
	bound  session  // of strong affinity

	retrying bool      // it has a place in the service's retry budget
	began    time.Time // the try, which for the first is start
	tryBy    time.Time // the response must begin, or the try has failed; zero: whenever
	fault    error     // what TLS has against the try's connection, for the log

	// Where a driver goes on with an exchange that it has left for a while.
	stage stage
	left  int64    // bytes of what the stage sends that were sent already
	gist  []byte   // the body of what the stage sends
	end   *failure // what the stage begins with

	start    time.Time // the head is complete
	deadline time.Time // the response must be; zero: whenever
	rec      proxy.Record
}

// keptBytes is the largest head whose memory is kept for the next exchange:
// there may be hundreds that wait for one.
const keptBytes = 16 << 10

// reset forgets everything but the memory.
func (x *exchange) reset() {
	if cap(x.out) > keptBytes {
		x.out = nil
	}
	if cap(x.target) > keptBytes {
		x.target = nil
	}
	x.back.release()
	x.req.Reset()
	x.resp.Reset()
	clear(x.values)
	x.out, x.setLine, x.target, x.values = x.out[:0], x.setLine[:0], x.target[:0], x.values[:0]
	if x.up.started {
		x.up.reset()
	}
	x.exchangeState = exchangeState{}
}

// serve handles one request of c, whose first bytes are in c.in. It reports
// whether the connection can carry another.
func (x *exchange) serve(c *client) (keep, over bool) {
	x.c, x.set = c, c.engine.settings.Load()
	f := x.readHead()
	x.start = c.driver.now()
	if f == nil {
		f = x.run()
	} else {
		x.req.Close = true // where the next request would begin is not known
	}
	if f == handedOver {
		return false, false
	}
	return x.finish(f), true
}

// readHead reads and parses the request's head.
func (x *exchange) readHead() *failure {
	c, limits := x.c, x.set.limits()
	c.in.keepSmall(c.driver.memory().small)
	room := max(x.set.MaxHeaderBytes, 1<<16)
	by := after(c.since.time(), x.set.ClientTimeout) // for the first request, from the connection on
	for first := true; ; first = false {
		n, err := x.req.Parse(c.in.bytes(), limits)
		if err != nil {
			return requestRefused(err)
		}
		if n > 0 {
			x.headLen = n
			return nil
		}
		if first && c.served {
			by = after(time.Now(), x.set.ClientTimeout)
		}
		c.conn.ReadBy(by)
		if c.in.full() {
			x.req.Reset() // the bytes move, and what x.req points to may soon be another's
		}
		n, err = c.conn.Read(c.in.space(room))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if passed(by) {
				return clientSlow
			}
			// A drain took us for idle; we are not.
		case err != nil:
			return clientGone
		}
		c.in.filled(n)
	}
}

// passed reports whether a deadline is over; the zero time never is.
func passed(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

// writeBy is when to give up on a peer that does not take what it is sent: a
// moment after the time of the try. Where that passes between a read and a write, who
// was slow is the one that was read from.
func (x *exchange) writeBy() time.Time {
	const moment = 500 * time.Millisecond // a busy machine may take as long to get from the one to the other
	if x.tryBy.IsZero() {
		return x.tryBy
	}
	return x.tryBy.Add(moment)
}

// run takes the request to an endpoint and its response to the client.
func (x *exchange) run() *failure {
	f := x.choose()
	if f == inLine {
		f = x.await()
	}
	if f != nil {
		return f
	}
	return x.conclude(x.ask())
}

// choose finds out who is to be asked, and for what. Where all that could be asked is
// taken it is inLine.
func (x *exchange) choose() *failure {
	if f := x.prepare(); f != nil {
		return f
	}
	if f := x.pick(); f != nil {
		return f
	}
	x.beginTry(x.start)
	return nil
}

// conclude goes on when an endpoint was asked, and f is how that went: it asks
// another one, or relays what was answered.
func (x *exchange) conclude(f *failure) *failure {
	for (f != nil || x.unwelcome()) && x.again(f) {
		f = x.ask()
	}
	if f != nil {
		return f
	}
	x.tryBy = x.deadline
	f = x.relay()
	x.noteEnd(f)
	return f
}

// noteEnd notes the end of what has begun with a response, where it is none that
// the endpoint had in mind.
func (x *exchange) noteEnd(f *failure) {
	if f != nil && f != tunnelIdle && f != handedOver {
		x.note(f, giveUp)
	}
}

// ask is one try: it takes the request to the leased endpoint and waits for the
// response to begin.
func (x *exchange) ask() *failure {
	if f := x.connect(); f != nil {
		return f
	}
	return x.sendAndReceive()
}

func (x *exchange) sendAndReceive() *failure {
	if f := x.send(); f != nil {
		return f
	}
	return x.receive()
}

// prepare finds the route, the deadline, the affinity key and the head to send.
func (x *exchange) prepare() *failure {
	req := &x.req
	x.saidLast = req.Close
	x.body.Reset(req.Framing, req.Length)
	x.route = x.set.Routes.Match(req.Authority, req.Path)
	if x.route == nil {
		return noRoute
	}
	x.svc = x.route.Service
	x.deadline = after(x.start, x.route.Timeout)

	if x.svc != nil && req.Hops() >= maxHops {
		return x.circles()
	}
	if limit := x.route.MaxBodyBytes; limit > 0 && req.Framing == h1.Length && req.Length > limit {
		return bodyTooLarge
	}
	n, f := x.follow(x.c.in.bytes()[x.headLen:])
	if f != nil {
		return f
	}
	x.bodyLen = n
	forward := h1.Forward{TrustForwarded: x.trusted(), Proto: x.c.scheme()}
	forward.Close = x.svc != nil && x.svc.CircuitBreakers.MaxRequestsPerConnection == 1 // else a route answers itself
	if peer := x.c.peer(); peer.IsValid() {
		forward.Client = peer.Addr().AppendTo(x.peer[:0])
	}
	if len(req.Authority) == 0 {
		forward.Host = x.localHost() // HTTP/1.0 without Host; the endpoint must have one
	}
	if x.route.Actions != nil {
		if f := x.act(&forward); f != nil {
			return f
		}
	}
	x.want = x.affinity()
	x.svc.Stats.CountFlow(x.want.Key, x.want.Keyed, x.clientAddr)
	x.want.Avoid = x.avoid[:0]
	x.out = req.AppendTo(x.out[:0], &forward)
	return nil
}

// localHost is a Host for requests that have none.
func (x *exchange) localHost() []byte {
	if at := x.local(); at.IsValid() {
		return at.AppendTo(make([]byte, 0, 48))
	}
	return []byte("localhost")
}

// trusted reports whether the peer is a proxy of our own.
func (x *exchange) trusted() bool {
	for _, p := range x.set.TrustedProxies {
		if p.Contains(x.c.peer().Addr()) {
			return true
		}
	}
	return false
}

// follow checks as much of p as belongs to the request's body, and that the
// body does not grow beyond the route's limit.
func (x *exchange) follow(p []byte) (int, *failure) {
	limit := x.route.MaxBodyBytes
	if limit == 0 || x.req.Framing != h1.Chunked {
		n, err := x.body.Follow(p)
		if err != nil {
			return n, badBody
		}
		return n, nil
	}
	done := 0
	for done < len(p) && !x.body.Done() {
		n, data, err := x.body.Next(p[done:])
		if err != nil {
			return done, badBody
		}
		done += n
		if x.bodyData += int64(len(data)); x.bodyData > limit {
			return done, bodyTooLarge
		}
	}
	return done, nil
}

// pick takes a lease on an endpoint.
func (x *exchange) pick() *failure {
	lease, err := x.svc.Balancer.Pick(context.Background(), x.want)
	switch {
	case lb.CanWait(err): // the Balancer knows whether there is a queue
		return inLine
	case err != nil:
		return x.turnedAway(err)
	}
	x.hold(lease)
	return nil
}

// hold makes lease the one that the exchange has.
func (x *exchange) hold(lease lb.Lease) {
	x.lease, x.load, x.codes = lease, lease.Endpoint.Load, nil
	x.rec.Endpoint = lease.Endpoint.ID
}

// send sends the head and what is here of the body. The rest, if there is one,
// goes on its way beside the response.
func (x *exchange) send() *failure {
	x.conn.WriteBy(x.writeBy())
	n, err := x.conn.WriteBuffers(x.out, x.bodyHere())
	return x.sent(n, err)
}

// bodyHere is what came of the request's body along with its head.
func (x *exchange) bodyHere() []byte {
	return x.c.in.bytes()[x.headLen : x.headLen+x.bodyLen]
}

// sent goes on when n bytes of that were sent.
func (x *exchange) sent(n int64, err error) *failure {
	x.try.sent = n > 0
	x.torn = err != nil
	if err != nil {
		switch {
		case x.c.engine.isAborted():
			return aborted
		case x.doomed() != nil:
			return x.doomed()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return responseSlow
		}
		// It may have answered before it closed: a server that wants no body
		// does. If it did not, receive says so.
		if x.try.sent {
			return nil
		}
		return x.broken()
	}
	if !x.body.Done() {
		x.onlyTry()
		x.startUpload()
	}
	return nil
}

// broken is the failure for a connection that ended before a response began.
func (x *exchange) broken() *failure {
	if !x.try.reused && !x.try.interim && secure.Refused(x.fault) {
		x.try.connected = false // as it turns out
		return tlsAlert
	}
	if x.try.reused && !x.try.interim {
		return stale
	}
	return terminated
}
