package tcp

import (
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

const (
	// ticksPerTimeout is how exact the idle timeout is: a silent connection is
	// closed at most an eighth of it late.
	ticksPerTimeout = 8
	// slowestTick is how old the byte counters that metrics show may be.
	slowestTick = 5 * time.Second
)

// A watch looks at a session's byte counters now and then: it adds what is new
// to the service's, and ends the session when nothing is. So the pumps keep no
// clock, set no deadline and touch no counter that they would share. Its
// session's mu guards it.
type watch struct {
	timer   *time.Timer
	every   time.Duration
	seen    int64     // all bytes of the session at the last look
	changed time.Time // when there were new ones
	counted [2][2]int64
	closed  bool
}

// startWatch begins. Caller holds s.mu.
func (s *session) startWatch() {
	w := &s.watch
	w.every = slowestTick
	if t := s.service.Timeout; t > 0 {
		w.every = max(time.Millisecond, min(w.every, t/ticksPerTimeout))
	}
	w.changed = time.Now()
	w.timer = time.AfterFunc(w.every, s.tick)
}

func (s *session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.watch
	if w.closed {
		return
	}
	s.account()
	now, seen := time.Now(), s.bytes()
	if seen != w.seen {
		w.seen, w.changed = seen, now
	}
	if t := s.service.Timeout; t > 0 && now.Sub(w.changed) >= t && !s.stopped {
		if s.cause == "" {
			s.cause = causeIdle
		}
		s.engine.counters.IdleTimeouts.Add(1)
		s.stop()
		return
	}
	w.timer.Reset(w.every)
}

// bytes is what moved in either direction, on either side: a slow reader of
// much that we hold for it is not silent.
func (s *session) bytes() int64 {
	return s.client.Received() + s.client.Sent() + s.endpoint.Received() + s.endpoint.Sent()
}

// unwatch ends the watch, with the last bytes counted. From here on the cause is
// settled, whoever still calls cut.
func (s *session) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account()
	s.watch.closed = true
	s.stopped = true
	s.watch.timer.Stop()
}

// account adds what is new to the counters that others read. Caller holds s.mu.
func (s *session) account() {
	for d, p := range [...]*pump{proxy.FromClient: &s.up, proxy.ToClient: &s.down} {
		now := p.paths()
		for path, n := range now {
			s.service.Stats.TCPBytes[d][path].Add(uint64(n - s.watch.counted[d][path]))
		}
		copied := now[proxy.Copied] - s.watch.counted[d][proxy.Copied]
		s.engine.counters.Copied[p.reason.Load()].Add(uint64(copied))
		s.watch.counted[d] = now
	}
}

// paths is how many bytes dst has taken, by the way they came.
func (p *pump) paths() (n [2]int64) {
	// First the bytes, then the bounds: a bound that is set in between is at
	// these bytes or later, and does not change what they count as.
	sent := p.dst.Sent()
	from, to := p.spliceFrom.Load(), p.spliceTo.Load()
	n[proxy.Spliced] = min(sent, to) - min(sent, from)
	n[proxy.Copied] = sent - n[proxy.Spliced]
	return n
}
