package proxy

import (
	"container/list"
	"sync"
	"time"
)

// Sessions remembers which endpoint the clients of a service are on, by their
// affinity key, so that all connections of a client go there although the policy
// would by now choose another (PER_SESSION, spec.md §9.2). A session lasts as long
// as any of its connections, and some time after. The zero value is ready to use.
type Sessions struct {
	mu   sync.Mutex
	all  map[uint64]*clientSession
	idle list.List // of those without a connection, the longest idle first
}

type clientSession struct {
	key         uint64
	endpoint    string // ID
	connections int
	until       time.Time     // without a connection: when it ends
	idle        *list.Element // without a connection: its place there
}

// MaxIdleSessions is how many clients without a connection are remembered for each
// service; beyond that those are forgotten that have been idle for the longest.
const MaxIdleSessions = 1 << 18

// Endpoint returns the ID of the endpoint that the client with this key is on; ""
// if none is known.
func (s *Sessions) Endpoint(key uint64, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld(now)
	if c := s.all[key]; c != nil {
		return c.endpoint
	}
	return ""
}

// Join notes a connection of the client to an endpoint, which its session is on from
// now on. Each Join is followed by a Leave.
func (s *Sessions) Join(key uint64, endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[key]
	if c == nil {
		if s.all == nil {
			s.all = make(map[uint64]*clientSession)
		}
		c = &clientSession{key: key}
		s.all[key] = c
	}
	if c.idle != nil {
		s.idle.Remove(c.idle)
		c.idle = nil
	}
	c.endpoint = endpoint
	c.connections++
}

// Leave notes that a connection of the client has ended. The last one's end begins
// the session's idle time.
func (s *Sessions) Leave(key uint64, now time.Time, idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetOld(now)
	c := s.all[key]
	if c.connections--; c.connections > 0 {
		return
	}
	c.until = now.Add(idle)
	c.idle = s.idle.PushBack(c)
	if s.idle.Len() > MaxIdleSessions {
		s.forget(s.idle.Front())
	}
}

// Len is the number of sessions.
func (s *Sessions) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// forgetOld ends sessions that have been idle for too long. Where a reload has made
// the time shorter, one behind another that may stay longer waits for that. Caller
// holds s.mu.
func (s *Sessions) forgetOld(now time.Time) {
	for e := s.idle.Front(); e != nil && !now.Before(e.Value.(*clientSession).until); e = s.idle.Front() {
		s.forget(e)
	}
}

// forget ends one idle session. Caller holds s.mu.
func (s *Sessions) forget(e *list.Element) {
	s.idle.Remove(e)
	delete(s.all, e.Value.(*clientSession).key)
}
