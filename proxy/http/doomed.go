package http

import (
	"slices"

	"github.com/spillway-lb/spillway/lb"
	"github.com/spillway-lb/spillway/proxy"
)

// cuts are the failures of exchanges that are cut because of what befell their
// endpoint. That is nobody's fault.
var cuts = func() (all [len(proxy.CutCauses)]*failure) {
	for c, name := range proxy.CutCauses {
		all[c] = &failure{504, name, "the endpoint was taken out of service\n", lb.Neutral, proxy.AttemptTimeout}
	}
	return all
}()

var _ proxy.Cutter = (*Engine)(nil)

// Cut implements [proxy.Cutter]. What has begun to be answered is cut off, as is
// a tunnel; what has not gets a 504.
func (e *Engine) Cut(doomed proxy.Doomed) {
	e.cutOnLoops(doomed)
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.clients {
		c.cutIfDoomed(doomed)
	}
}

// cutIfDoomed ends the client's exchange if it is with one of these endpoints. The
// connection that it uses is marked; whoever waits looks for that. An exchange
// that is still there at the next sweep may be waiting for its client.
func (c *client) cutIfDoomed(doomed proxy.Doomed) bool {
	e := c.endpoint.Load()
	if e == nil {
		return false
	}
	cause := doomed[proxy.Place{Load: e.load, Addr: e.addr}]
	if cause == proxy.NotCut {
		return false
	}
	again := e.doom.Swap(cuts[cause]) != nil
	e.Interrupt()
	if again {
		c.conn.Interrupt()
	}
	return true
}

// doomed is the failure of an exchange whose connection was cut, or nil.
func (x *exchange) doomed() *failure {
	if x.conn == nil {
		return nil
	}
	return x.conn.doom.Load()
}

// errorType is the failure's type of RFC 9209 §2.3, for those who are told of it.
func (f *failure) errorType() string {
	switch {
	case slices.Contains(cuts[:], f):
		return "destination_unavailable"
	case f.isOverLimit():
		return saturated.cause + `; details="` + f.cause + `"`
	}
	return f.cause
}
