package http

import (
	"context"
	"time"

	"github.com/spillway-lb/spillway/lb"
)

// This file carries out what retry.go decides. Nothing here runs for a request
// whose first try goes well, but beginTry and unwelcome.

// beginTry starts the time of one try.
func (x *exchange) beginTry(now time.Time) {
	x.began, x.tryBy, x.fault = now, x.deadline, nil
	if r := x.svc.Retry; r != nil && r.PerTryTimeout > 0 {
		if by := now.Add(r.PerTryTimeout); x.deadline.IsZero() || by.Before(x.deadline) {
			x.tryBy = by
		}
	}
}

// onlyTry makes this try the last one: it has all the time there is.
func (x *exchange) onlyTry() {
	x.tryBy = x.deadline
	x.conn.WriteBy(x.writeBy())
}

// unwelcome reports whether the response that has begun to arrive is held back,
// because the rule says that another endpoint's may be better.
func (x *exchange) unwelcome() bool {
	r := x.svc.Retry
	return r != nil && r.On&statusConditions(x.resp.Status) != 0
}

// again prepares another try, if the rule allows one and somebody can be asked.
// f is why the last one failed, nil where its response is held back. If it
// reports false nothing has changed, and the client is to get what there is.
func (x *exchange) again(f *failure) bool {
	v := x.verdict(f)
	var next lb.Lease
	if v == anotherOne {
		next, v = x.another()
	}
	if f != nil || v != giveUp || x.try.number > 1 {
		x.note(f, v)
	}
	switch v {
	case anotherOne:
		x.putAside(f)
		x.hold(next)
		x.try.others++
	case freshConnect:
		x.dropConn()
	default:
		return false
	}
	x.try.refreshed = v == freshConnect
	x.resp.Reset()
	x.back.release()
	x.rec.First = 0
	x.beginTry(time.Now())
	return true
}

// verdict asks the retry rule.
func (x *exchange) verdict(f *failure) verdict {
	if f != nil && f.outcome == lb.Neutral && f != stale && f != noResources {
		return giveUp // the client's doing, or ours
	}
	if passed(x.deadline) {
		return giveUp // nobody could answer in time
	}
	rule := x.svc.Retry
	if rule == nil {
		rule = ownRule
	}
	x.try.status = 0
	if f == nil {
		x.try.status = x.resp.Status
	}
	x.try.broken = f == terminated || f == stale
	x.try.idempotent = x.req.Idempotent()
	x.try.replayable = !x.up.started // what was read of it is in c.in, the rest is still to be read
	return judge(x.try, rule)
}

// another takes a lease on an endpoint that was not tried yet. It does so while
// the last one's is still held: if there is none, a response that is held back
// can still be relayed.
func (x *exchange) another() (lb.Lease, verdict) {
	if !x.takeRetry() {
		return lb.Lease{}, overBudget
	}
	x.want.Avoid = append(x.want.Avoid, x.lease.Endpoint)
	lease, err := x.svc.Balancer.PickAgain(context.Background(), x.want, &x.lease)
	if err != nil {
		x.endRetry()
		x.noteNobody(x.pickFailed(err))
		return lb.Lease{}, nobodyElse
	}
	return lease, anotherOne
}

// putAside ends the last try, and with it the lease on its endpoint. A response
// that is here as a whole leaves a connection of use to others.
func (x *exchange) putAside(f *failure) {
	if f != nil {
		x.dropConn()
		x.endLease(f.outcome, f.cause)
		return
	}
	x.reply.Reset(x.resp.Framing, x.resp.Length)
	n, err := x.reply.Follow(x.back.bytes())
	x.back.consume(n)
	if err == nil && x.reply.Done() {
		x.keepConn()
		return
	}
	x.dropConn()
	x.endAnswered(x.resp.Status)
}

// takeRetry takes a place for a retry in the service, one for all retries of a
// request.
func (x *exchange) takeRetry() bool {
	if x.retrying || !x.svc.CountsRetries() {
		return true
	}
	x.retrying = x.svc.TakeRetry()
	return x.retrying
}

func (x *exchange) endRetry() {
	if x.retrying {
		x.retrying = false
		x.svc.EndRetry()
	}
}
