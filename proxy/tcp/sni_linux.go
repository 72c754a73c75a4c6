package tcp

import (
	"os"
	"time"
)

// listen begins to read until the service is known.
func (s *loopSession) listen() {
	if t := s.settings.ClientTimeout; t > 0 {
		s.client.ReadBy(s.client.Loop().Now().Add(t))
	}
	s.goOnListening()
}

// goOnListening reads what is there. The loop tells when there is more, or that
// the time is up.
func (s *loopSession) goOnListening() {
	for {
		b, err := s.client.ReceiveNow(helloBuffers)
		if b == nil && err == nil && s.client.Expired() {
			err = os.ErrDeadlineExceeded
		}
		if err != nil {
			s.end(s.unheard(err))
			return
		}
		if b == nil {
			return
		}
		enough, refused := s.heard(b.B)
		b.Free()
		if refused != "" {
			s.end(refused)
			return
		}
		if enough {
			s.client.ReadBy(time.Time{})
			s.search()
			return
		}
	}
}

// search looks for an endpoint, now that the service is known.
func (s *loopSession) search() {
	s.destination(s.original)
	s.key(s.local)
	s.connect()
}
