package http

import "github.com/spillway-lb/spillway/proxy"

var _ proxy.Carrier = (*Engine)(nil)

// Survey implements [proxy.Carrier].
func (e *Engine) Survey(c *proxy.Census) {
	e.surveyLoops(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	for client := range e.clients {
		client.survey(c)
	}
}

// survey adds the exchange or tunnel that the client has, if it has one.
func (c *client) survey(census *proxy.Census) {
	if e := c.endpoint.Load(); e != nil {
		census.Add(proxy.Place{Load: e.load, Addr: e.addr}, instant(e.since.Load()).time(), e.Received()+e.Sent())
	}
}
