package tcp

import "github.com/spillway-lb/spillway/proxy"

var _ proxy.Carrier = (*Engine)(nil)

// Survey implements [proxy.Carrier].
func (e *Engine) Survey(c *proxy.Census) {
	e.surveyLoops(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.survey(c)
	}
}

// survey adds a session that is relayed: the lease of another may still change.
func (s *streamSession) survey(c *proxy.Census) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relay != nil {
		s.tell(c, s.client.Received()+s.client.Sent())
	}
}

func (s *session) tell(c *proxy.Census, bytes int64) {
	c.Add(proxy.PlaceOf(s.lease.Endpoint), s.record.Time, bytes)
}
