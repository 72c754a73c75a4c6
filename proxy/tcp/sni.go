package tcp

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spillway-lb/spillway/proxy/internal/hello"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/relay"
)

// helloBuffers are for what clients say before their service is known. Most of
// today's ClientHellos fit into one.
var helloBuffers = netio.NewPool(4 << 10)

// maxName is how much of a name is logged: no name in DNS is longer.
const maxName = 255

// ask reports whether the client is to be asked for a name: to be listened to
// until heard has enough. Who speaks TLS to us has told it already.
func (s *session) ask() bool {
	if s.settings.Routes != nil && s.record.TLS == nil {
		s.asked = new(hello.Reader)
	}
	return s.asked != nil
}

// heard takes note of what a client says who is asked for a name. It reports
// whether that is enough to know the service; where there is none the session is
// refused, for the reason returned.
func (s *session) heard(b []byte) (enough bool, refused relay.Cause) {
	s.early = append(s.early, b...)
	h, state := s.asked.Look(s.early)
	if state == hello.More {
		return false, ""
	}
	s.asked = nil
	s.record.SNI = string(h.ServerName[:min(len(h.ServerName), maxName)])
	return true, s.route(h.ServerName, state)
}

// route makes it a session of the service that the name leads to. Where there is
// none the session is refused, for the reason returned.
func (s *session) route(name []byte, state hello.State) (refused relay.Cause) {
	if len(name) > 0 {
		if r := s.settings.Routes.MatchName(name); r != nil {
			s.use(r.Service)
		}
	}
	if s.service == nil {
		s.unrouted(state.String(), nil)
		return causeUnrouted
	}
	return ""
}

// unheard says why the session ends, because reading has ended with err before
// the client had said enough.
func (s *session) unheard(err error) relay.Cause {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.unrouted("not in time", err)
		return causeSlow
	}
	return relay.ClientGone
}

// unrouted notes that no route takes the client, who is to be reset.
func (s *session) unrouted(state string, err error) {
	s.engine.counters.Unrouted.Add(1)
	s.engine.log.Write(slog.LevelWarn, "no route",
		slog.Any("client", s.record.Client),
		slog.String("sni", s.record.NameAskedFor()),
		slog.String("client_hello", state),
		slog.Any("error", err))
}

// routed finds the service by the client's name, where that decides. If it reports
// false the session was cut.
func (s *streamSession) routed() bool {
	switch {
	case s.ask():
		return s.listen()
	case s.settings.Routes == nil:
		return true
	}
	if refused := s.route([]byte(s.record.TLS.SNI), hello.Found); refused != "" {
		s.cut(refused)
		return false
	}
	return true
}

// listen reads until the service is known. If it reports false the session was cut.
func (s *streamSession) listen() bool {
	if !s.limit(s.settings.ClientTimeout) {
		return false
	}
	for {
		b, err := s.client.Receive(helloBuffers)
		if s.wasCut() {
			if b != nil {
				b.Free()
			}
			return false
		}
		if err != nil {
			s.cut(s.unheard(err))
			return false
		}
		enough, refused := s.heard(b.B)
		b.Free()
		if refused != "" {
			s.cut(refused)
			return false
		}
		if enough {
			return true
		}
	}
}
