package proxy_test

import (
	"testing"
	"time"

	"github.com/spillway-lb/spillway/affinity"
	"github.com/spillway-lb/spillway/proxy"
)

// The tables of spec.md §9.2, cell by cell.
func TestPersistenceOnUnhealthyFollowsTheTable(t *testing.T) {
	fiveTuple := []affinity.Kind{affinity.None, affinity.ClientIPPortProto}
	coarser := []affinity.Kind{affinity.ClientIP, affinity.ClientIPProto, affinity.ClientIPNoDestination}
	all := append(append([]affinity.Kind{}, fiveTuple...), coarser...)
	for _, c := range []struct {
		persistence proxy.Persistence
		mode        proxy.TrackingMode
		protocols   string
		kinds       []affinity.Kind
		want        bool
	}{
		{proxy.DefaultForProtocol, proxy.PerConnection, "TCP", all, true},
		{proxy.DefaultForProtocol, proxy.PerConnection, "SSL", all, true},
		{proxy.DefaultForProtocol, proxy.PerConnection, "UDP", all, false},
		{proxy.DefaultForProtocol, proxy.PerSession, "TCP", fiveTuple, true},
		{proxy.DefaultForProtocol, proxy.PerSession, "TCP", coarser, false},
		{proxy.DefaultForProtocol, proxy.PerSession, "SSL", fiveTuple, true},
		{proxy.DefaultForProtocol, proxy.PerSession, "SSL", coarser, false},
		{proxy.DefaultForProtocol, proxy.PerSession, "UDP", all, false},
		{proxy.NeverPersist, proxy.PerConnection, "TCP", all, false},
		{proxy.NeverPersist, proxy.PerConnection, "UDP", all, false},
		{proxy.NeverPersist, proxy.PerSession, "TCP", all, false},
		{proxy.NeverPersist, proxy.PerSession, "UDP", all, false},
		{proxy.AlwaysPersist, proxy.PerConnection, "TCP", all, true},
		{proxy.AlwaysPersist, proxy.PerConnection, "UDP", all, true},
		{proxy.NeverPersist, proxy.PerConnection, "HTTP", all, true},
	} {
		for _, kind := range c.kinds {
			if got := c.persistence.Holds(c.protocols, c.mode, kind); got != c.want {
				t.Errorf("persistence %d, mode %d, %s, %s: it is %v, want %v", c.persistence, c.mode, c.protocols, kind, got, c.want)
			}
		}
	}
}

func TestWhatBefallsAnEndpointDecidesWhenConnectionsAreCut(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	keeps := proxy.Tracking{Persist: true, DrainingTimeout: 100 * time.Second}
	diverts := proxy.Tracking{DrainingTimeout: 100 * time.Second}
	shared := proxy.Tracking{
		Persist: true, DrainingTimeout: 100 * time.Second,
		GroupDraining: map[string]time.Duration{"eu-a": 200 * time.Second, "eu-b": 50 * time.Second},
	}
	never := time.Time{}
	for _, c := range []struct {
		name     string
		tracking proxy.Tracking
		plight   proxy.Plight
		alone    bool // nobody else is well
		cause    proxy.CutCause
		at       time.Time
	}{
		{"nothing", diverts, proxy.Plight{}, false, proxy.NotCut, never},
		{"unhealthy, which persists", keeps, proxy.Plight{Unhealthy: at(1)}, false, proxy.NotCut, never},
		{"unhealthy", diverts, proxy.Plight{Unhealthy: at(1)}, false, proxy.EndpointUnhealthy, at(1)},
		{"all unhealthy", diverts, proxy.Plight{Unhealthy: at(1)}, true, proxy.NotCut, never},
		{"down, which persists", keeps, proxy.Plight{Down: at(1)}, false, proxy.NotCut, never},
		{"down", diverts, proxy.Plight{Down: at(1)}, false, proxy.EndpointDown, at(1)},
		{"down, nobody else", diverts, proxy.Plight{Down: at(1)}, true, proxy.NotCut, never},
		{"drained", keeps, proxy.Plight{Drained: at(1)}, false, proxy.EndpointDrained, at(101)},
		{"drained, nobody else", keeps, proxy.Plight{Drained: at(1)}, true, proxy.EndpointDrained, at(101)},
		{"drained without a timeout", proxy.Tracking{}, proxy.Plight{Drained: at(1)}, false, proxy.EndpointDrained, at(1)},
		{"removed", keeps, proxy.Plight{Removed: at(1)}, false, proxy.EndpointRemoved, at(101)},
		{"removed without a timeout", proxy.Tracking{}, proxy.Plight{Removed: at(1)}, false, proxy.EndpointRemoved, at(1)},
		{"drained, then removed", keeps, proxy.Plight{Drained: at(1), Removed: at(50)}, false, proxy.EndpointDrained, at(101)},
		{"drained, then unhealthy", diverts, proxy.Plight{Drained: at(1), Unhealthy: at(50)}, false, proxy.EndpointUnhealthy, at(50)},
		{"unhealthy, then drained", diverts, proxy.Plight{Drained: at(50), Unhealthy: at(1)}, false, proxy.EndpointUnhealthy, at(1)},
		{"shared with a longer timeout", shared, proxy.Plight{Group: "eu-a", Drained: at(1)}, false, proxy.EndpointDrained, at(201)},
		{"shared with a shorter timeout", shared, proxy.Plight{Group: "eu-b", Drained: at(1)}, false, proxy.EndpointDrained, at(101)},
		{"failed over", keeps, proxy.Plight{FailedOver: at(1)}, false, proxy.FailedOver, at(601)},
		{"failed over, with strong sessions", proxy.Tracking{Persist: true, Strong: true}, proxy.Plight{FailedOver: at(1)}, false, proxy.NotCut, time.Time{}},
		{"failed over, with strong sessions, no drain", proxy.Tracking{Persist: true, Strong: true, CutOnFailover: true}, proxy.Plight{FailedOver: at(1)}, false, proxy.FailedOver, at(1)},
		{"drained, sessions stay", proxy.Tracking{Persist: true, KeepSessions: true, DrainingTimeout: time.Second}, proxy.Plight{Drained: at(1)}, false, proxy.NotCut, time.Time{}},
		{"removed, sessions stay", proxy.Tracking{Persist: true, KeepSessions: true, DrainingTimeout: time.Second}, proxy.Plight{Removed: at(1)}, false, proxy.EndpointRemoved, at(2)},
		{"failed over, no drain", proxy.Tracking{Persist: true, CutOnFailover: true}, proxy.Plight{FailedOver: at(1)}, false, proxy.FailedOver, at(1)},
	} {
		cause, when := c.tracking.Judge(c.plight, !c.alone)
		if cause != c.cause || !when.Equal(c.at) {
			t.Errorf("%s: %q at %v, want %q at %v", c.name, cause, when, c.cause, c.at)
		}
	}
}

func TestTrackingWordsAreRead(t *testing.T) {
	for s, want := range map[string]proxy.TrackingMode{"": proxy.PerConnection, "per_connection": proxy.PerConnection, "PER_SESSION": proxy.PerSession} {
		if got, err := proxy.ParseTrackingMode(s); got != want || err != nil {
			t.Errorf("mode %q: %d, %v", s, got, err)
		}
	}
	for s, want := range map[string]proxy.Persistence{
		"": proxy.DefaultForProtocol, "default_for_protocol": proxy.DefaultForProtocol,
		"NEVER_PERSIST": proxy.NeverPersist, "ALWAYS_PERSIST": proxy.AlwaysPersist,
	} {
		if got, err := proxy.ParsePersistence(s); got != want || err != nil {
			t.Errorf("persistence %q: %d, %v", s, got, err)
		}
	}
	if _, err := proxy.ParseTrackingMode("PER_PACKET"); err == nil {
		t.Error("PER_PACKET is no mode, and was read")
	}
	if _, err := proxy.ParsePersistence("SOMETIMES"); err == nil {
		t.Error("SOMETIMES is no persistence, and was read")
	}
}
