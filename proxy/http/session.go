package http

import (
	"errors"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// A session is what an exchange knows of its strong cookie (spec.md §5.3). The zero
// value is for those that have nothing to do with one.
type session struct {
	applies bool   // the cookie's path is the request's, or above it
	valid   bool   // there is one that opens
	aging   bool   // and it is time for a new one
	id      string // the endpoint that it names; "": nobody has that ID any more
}

// findSession opens the request's strong cookie. One that does not open is as none,
// and so is one whose endpoint is not in the configuration any more, unless the
// session is to have that endpoint or nobody.
func (x *exchange) findSession(rule *affinity.Rule) lb.Request {
	r := x.unbound(rule)
	if !rule.AppliesTo(x.req.Path) {
		return r
	}
	x.bound.applies = true
	found, memory := rule.Session(x.setLine[:0], x.fields("Cookie"), x.start)
	x.setLine = memory[:0] // found is in there until the response needs it
	switch found.State {
	case affinity.SessionValid:
	case affinity.SessionNone:
		x.countCookie(proxy.CookieMiss)
		return r
	case affinity.SessionExpired:
		x.countCookie(proxy.CookieExpired)
		return r
	default:
		x.countCookie(proxy.CookieInvalid)
		return r
	}
	x.bound.valid, x.bound.aging = true, found.Aging
	id, configured := x.svc.Balancer.Snapshot().Endpoint(found.Endpoint)
	if !configured && rule.Strict {
		id = string(found.Endpoint)
	}
	x.bound.id = id
	r.Sticky, r.Strict = id, rule.Strict
	return r
}

func (x *exchange) countCookie(r proxy.CookieResult) { x.svc.Stats.Cookies[r].Add(1) }

// sessionRefused is the failure for a strict session whose endpoint cannot be had.
func (x *exchange) sessionRefused(err error) *failure {
	if x.try.number == 0 { // else it could, and has failed, which is what the client gets to know
		x.countCookie(proxy.CookieRefused)
	}
	if errors.Is(err, lb.ErrSaturated) {
		return sessionFull
	}
	return sessionGone
}

// appendSetCookie appends the value of the Set-Cookie field that the client is to
// get with the response, if any.
func (x *exchange) appendSetCookie(dst []byte) []byte {
	secure := x.c.tls != nil
	switch {
	case x.setIt:
		return x.svc.Affinity.AppendSetCookie(dst, x.cookie[:], x.start, secure)
	case x.bound.applies && x.rebinds():
		return x.svc.Affinity.AppendSetSession(dst, x.rec.Endpoint, x.start, secure)
	}
	return dst
}

// rebinds counts a session that was answered, and reports whether it needs another
// cookie: the attempt that answered went to another endpoint, or it is time. Who is
// drained renews no session, or none would ever end.
func (x *exchange) rebinds() bool {
	switch {
	case !x.bound.valid:
		return true
	case x.bound.id != x.rec.Endpoint:
		x.countCookie(proxy.CookieMoved)
		return true
	}
	x.countCookie(proxy.CookieHit)
	return x.bound.aging && x.svc.Balancer.Snapshot().Takes(x.bound.id)
}
