package http

import (
	"errors"
	"slices"
	"time"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// This file is what becomes of a request that comes when everything is taken
// (spec.md §10.3): it waits in the Balancer's queue, or is told to come back.

// inLine says that an exchange is to wait for an endpoint.
var inLine = &failure{}

// overLimit are the failures of those who are turned away, by limit. The cause names
// the limit for the log.
var overLimit = func() (all [len(lb.Limits)]*failure) {
	for l, name := range lb.Limits {
		all[l] = &failure{503, name, "too many requests; try again later\n", lb.Neutral, 0}
	}
	all[lb.EndpointsAtMax] = saturated
	return all
}()

// noPlace is the failure of who has an endpoint, and gets no connection to it because
// the service has as many as it may.
var noPlace = &failure{503, lb.MaxConnections.String(), overLimit[lb.MaxConnections].body, lb.Neutral, proxy.AttemptTimeout}

func (f *failure) isOverLimit() bool {
	return f == noPlace || f != saturated && slices.Contains(overLimit[:], f)
}

// retryAfter is how many seconds the client should wait before it asks again: the
// fewest that can be said, since a queue may be short in a moment, and in a panic the
// next request may be let in. 0: nothing is said.
func (f *failure) retryAfter() int {
	if f == saturated || f == sessionFull || f == shed || f.isOverLimit() {
		return 1
	}
	return 0
}

// turnedAway counts and logs a request that gets no endpoint.
func (x *exchange) turnedAway(err error) *failure {
	if errors.Is(err, lb.ErrSaturated) {
		x.svc.Stats.Overflows.Count(err)
	}
	f := x.pickFailed(err)
	x.noteNobody(f)
	return f
}

// lookInLine is how often one who waits looks whether its client still does.
const lookInLine = 100 * time.Millisecond

// await waits for a lease.
func (x *exchange) await() *failure {
	d := x.c.driver
	began, woken := time.Now(), d.latch()
	w, err := x.svc.Balancer.Enqueue(x.want, x.deadline, func() { d.open(woken) })
	if err != nil {
		return x.turnedAway(err)
	}
	var gone *failure
	for gone == nil && !woken.Wait(lookInLine) {
		gone = x.lookInLine()
	}
	lease, err := w.Leave()
	now := time.Now()
	x.rec.Queued = now.Sub(began)
	x.svc.Stats.QueueWait.Observe(x.rec.Queued)
	switch {
	case gone != nil && err == nil:
		lease.Done(lb.Neutral)
		return gone
	case gone != nil:
		return gone
	case err != nil:
		return x.turnedAway(err)
	}
	x.hold(lease)
	x.beginTry(now)
	return nil
}

// lookInLine says why waiting for an endpoint is to end, or nil.
func (x *exchange) lookInLine() *failure {
	switch {
	case x.c.engine.isAborted():
		return aborted
	case x.c.conn.Gone():
		return clientGone
	}
	return nil
}

// worn reports whether the endpoint's connection has carried as many exchanges as it
// may, or somebody else needs its place.
func (x *exchange) worn() bool {
	if most := x.svc.CircuitBreakers.MaxRequestsPerConnection; most > 0 {
		if x.conn.carried++; x.conn.carried >= most {
			return true
		}
	}
	p := x.conn.places
	if p == nil {
		return false
	}
	limit := x.svc.Balancer.MaxConnections()
	return p.Wanted() || limit > 0 && p.Open() > limit
}

// takePlace takes one of the service's places for connections, where these are
// limited; else it is nil. No more exchanges have a lease than there are places, so
// while all are taken some are those of idle connections, of which one is closed. If
// that is on another loop the exchange waits, for a moment: at most for as long as it
// may then take to connect. The limit is the one of this moment: a reload may just have
// raised it.
func (x *exchange) takePlace() (*proxy.Connections, *failure) {
	places, limit := &x.svc.Stats.Connections, x.svc.Balancer.MaxConnections
	switch most := limit(); {
	case most == 0:
		return nil, nil
	case places.Take(most):
		return places, nil
	}
	began := time.Now()
	timeout, f := x.timeToConnect(began)
	if f == nil {
		f = x.awaitPlace(places, limit, after(began, timeout))
		x.rec.Queued += time.Since(began)
	}
	if f != nil {
		return nil, f
	}
	return places, nil
}

func (x *exchange) awaitPlace(places *proxy.Connections, limit func() int64, by time.Time) *failure {
	d := x.c.driver
	for !places.Take(limit()) {
		woken := d.latch()
		leave := places.Await(func() { d.open(woken) }) // first: what is given back from now on is for us
		if places.Take(limit()) {
			leave()
			break
		}
		if !d.makeRoom(x.c.engine.opt.Pools, x.svc.Balancer.Snapshot().Candidates) {
			woken.Wait(lookInLine)
		}
		leave()
		if f := x.lookInLine(); f != nil {
			return f
		}
		if passed(by) {
			x.svc.Stats.Overflows[lb.MaxConnections].Add(1)
			return noPlace
		}
	}
	return nil
}
