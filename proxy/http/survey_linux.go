package http

import (
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// surveyLoops has each loop tell of its clients.
func (e *Engine) surveyLoops(c *proxy.Census) {
	if e.opt.Loops == nil {
		return
	}
	for _, l := range e.opt.Loops.All() {
		answered := c.Expect()
		if !l.Post(func() {
			defer answered()
			e.surveyLoop(l, c)
		}) {
			answered()
		}
	}
}

// surveyLoop is called on l.
func (e *Engine) surveyLoop(l *loop.Loop, c *proxy.Census) {
	l.Each(func(h loop.Handler) {
		if client, ok := h.(*loopClient); ok && client.engine == e {
			client.survey(c)
		}
	})
	for client := range e.opt.Pools.onLoop(l).tunnels {
		if client.engine == e {
			client.survey(c)
		}
	}
}
