package tcp

import (
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
)

// surveyLoops has each loop tell of its sessions.
func (e *Engine) surveyLoops(c *proxy.Census) {
	e.homes.Range(func(l, h any) bool {
		answered := c.Expect()
		if !l.(*loop.Loop).Post(func() {
			defer answered()
			h.(*home).survey(c)
		}) {
			answered()
		}
		return true
	})
}

func (h *home) survey(c *proxy.Census) {
	for _, s := range h.sessions {
		if s.joint != nil {
			s.tell(c, s.client.Received()+s.client.Sent())
		}
	}
}
