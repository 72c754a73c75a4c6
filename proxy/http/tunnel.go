package http

import (
	"bytes"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// tunnelIdle is how a tunnel ends in which nobody says anything any more. It is
// nobody's fault: tunnel ends the lease before.
var tunnelIdle = &failure{101, string(relay.Idle), "", lb.Neutral, proxy.AttemptOK}

// handedOver says that an exchange is not over yet, but waits for the end of its
// tunnel without anybody who waits.
var handedOver = &failure{}

// tunnel joins the two connections after a 101: from here on they carry another
// protocol (RFC 9110 §7.8), both ways at once, and no request ever again. It
// returns when both sides have ended, or handedOver.
//
// The deadline of the exchange is over; what ends a tunnel is Service.Timeout
// without a byte in either direction (spec.md §7.1). So is what a drain asks of
// an exchange: a tunnel has no place of its own choosing to end at, and goes on
// until its peers are done or the drain's time is up and Abort cuts it. The
// lease lasts as long as the tunnel.
func (x *exchange) tunnel() *failure {
	if f := x.switchProtocols(); f != nil {
		return f
	}
	early := x.takeEarly()
	x.rec.BytesIn -= x.c.conn.Received()
	x.rec.BytesOut = -x.c.conn.Sent()
	return x.c.driver.relay(x, relay.Options{Idle: x.svc.Timeout, Early: early, Stats: x.svc.Stats})
}

// switchProtocols sends the 101.
func (x *exchange) switchProtocols() *failure {
	rep := x.resp.ReplyTo(&x.req)
	if x.route.Actions != nil {
		x.editResponse(&rep)
	}
	x.out = x.resp.AppendTo(x.out[:0], &rep)
	// h1 gives no interim response a cookie, but this is a final one (RFC 6455 §4.1).
	if x.setLine = x.appendSetCookie(x.setLine[:0]); len(x.setLine) > 0 {
		x.out = append(x.out[:len(x.out)-len("\r\n")], "Set-Cookie: "...)
		x.out = append(x.out, x.setLine...)
		x.out = append(x.out, "\r\n\r\n"...)
	}
	x.answered = true
	x.c.conn.WriteBy(x.deadline)
	return x.write(x.out, nil)
}

// takeEarly returns what was read of the new protocol along with the heads, and
// gives the windows' buffers back: a tunnel may stand silent for days, and of
// its request only the head is still wanted, for the log.
func (x *exchange) takeEarly() (early [2][]byte) {
	in := &x.c.in
	request := x.headLen + x.bodyLen
	early[proxy.FromClient] = bytes.Clone(in.bytes()[request:])
	early[proxy.ToClient] = bytes.Clone(x.back.bytes())
	x.rec.BytesIn = int64(len(early[proxy.FromClient])) // they, too, came in behind the head

	kept := netio.NewBuffer(request)
	kept.B = kept.Space()[:copy(kept.Space(), in.bytes())]
	x.back.release()
	in.adopt(kept)
	x.req.Reset()
	if _, err := x.req.Parse(kept.B, x.set.limits()); err != nil {
		panic(err) // it was sound a moment ago
	}
	x.req.Close = true
	return early
}

// relayed says what the end of a tunnel means for the exchange. Both connections
// are closed.
func (x *exchange) relayed(cause relay.Cause) *failure {
	x.rec.BytesIn += x.c.conn.Received()
	x.rec.BytesOut += x.c.conn.Sent()
	switch {
	case cause == relay.Well:
		return nil
	case x.c.engine.isAborted(): // it closes connections, and the relay takes it for their peers' doing
		return aborted
	case x.doomed() != nil:
		return x.doomed()
	case cause == relay.Idle:
		x.endLease(lb.Success, "")
		return tunnelIdle
	case cause == relay.ClientGone:
		return clientGone
	}
	return reset
}
