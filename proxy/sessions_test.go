package proxy_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

func TestSessionLastsAsLongAsItsConnectionsAndThenForItsIdleTime(t *testing.T) {
	var s proxy.Sessions
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	want := func(when time.Duration, key uint64, endpoint string) {
		t.Helper()
		if got := s.Endpoint(key, at(when)); got != endpoint {
			t.Errorf("after %v client %d is on %q, want %q", when, key, got, endpoint)
		}
	}
	want(0, 1, "")
	s.Join(1, "a")
	s.Join(1, "a")
	s.Join(2, "b")
	s.Leave(1, at(time.Hour), time.Minute)
	want(2*time.Hour, 1, "a") // by the other connection
	s.Leave(1, at(2*time.Hour), time.Minute)
	want(2*time.Hour+time.Minute-1, 1, "a")
	want(2*time.Hour+time.Minute, 1, "")
	want(2*time.Hour+time.Minute, 2, "b")

	s.Leave(2, at(3*time.Hour), time.Minute)
	s.Join(2, "c") // the last word counts
	want(4*time.Hour, 2, "c")
	s.Leave(2, at(4*time.Hour), time.Minute)
	want(5*time.Hour, 2, "")
	if n := s.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestIdleSessionsAreBounded(t *testing.T) {
	var s proxy.Sessions
	now := time.Now()
	s.Join(0, "busy")
	for key := range uint64(proxy.MaxIdleSessions + 10) {
		s.Join(key+1, "a")
		s.Leave(key+1, now, time.Hour)
	}
	if n := s.Len(); n != proxy.MaxIdleSessions+1 {
		t.Errorf("%d sessions, want %d and the one with a connection", n, proxy.MaxIdleSessions)
	}
	for key, want := range map[uint64]string{0: "busy", 1: "", 10: "", 11: "a"} {
		if got := s.Endpoint(key, now); got != want {
			t.Errorf("client %d is on %q, want %q", key, got, want)
		}
	}
}
