package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
)

func TestADrainThatKeepsSessionsWaitsForTheirNextRequests(t *testing.T) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	until := began.Add(time.Minute)
	type look struct {
		after    time.Duration
		active   int64
		requests uint64
		until    *time.Time
		drained  bool
	}
	for _, c := range []struct {
		name       string
		keeps      bool
		word, says string
		looks      []look
	}{
		{"no sessions", false, "DRAIN", ": nothing is left", []look{{0, 2, 7, nil, false}, {time.Second, 0, 7, nil, true}}},
		{"between two requests", true, "DRAIN", "no session has asked for 10s", []look{
			{0, 0, 7, nil, false}, {9 * time.Second, 0, 8, nil, false}, {18 * time.Second, 0, 8, nil, false},
			{20 * time.Second, 1, 8, nil, false}, {21 * time.Second, 0, 8, nil, true},
		}},
		{"sessions that are not kept", false, "DRAIN", ": nothing is left", []look{{0, 1, 7, &until, false}, {time.Second, 0, 7, nil, true}}},
		{"sessions that are not kept, and ask nothing", false, "DRAIN", ": nothing is left", []look{{0, 0, 7, nil, true}}},
		{"sessions that are moved", true, "DOWN", ": nothing is left", []look{{0, 0, 7, nil, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u lull
			for _, look := range c.looks {
				e := admin.EndpointStatus{ID: "a", Admin: c.word, Active: look.active, Requests: look.requests}
				if look.until != nil {
					e.Connections = &admin.ConnectionsStatus{Until: look.until}
				}
				l := leftOn(&admin.ServiceStatus{Name: "web", KeepsSessions: c.keeps, Groups: []admin.GroupStatus{{Endpoints: []admin.EndpointStatus{e}}}}, "a")
				u.judge(l, began.Add(look.after))
				if l.Drained != look.drained {
					t.Errorf("after %v: drained %v, want %v", look.after, l.Drained, look.drained)
				}
				if l.Drained && !strings.HasSuffix(l.String(), c.says) {
					t.Errorf("it says %q, want %q at the end", l, c.says)
				}
			}
		})
	}
}
