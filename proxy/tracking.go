package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/affinity"
)

// Tracking says what becomes of a service's connections, and of its UDP sessions,
// when something befalls their endpoint (spec.md §9.1 to §9.3). It is data and a
// pure rule; a [Tracker] carries it out.
type Tracking struct {
	// Persist says that connections stay with an endpoint that becomes unhealthy,
	// or that the operator says is DOWN. See [Persistence.Holds].
	Persist bool
	// DrainingTimeout is how long connections may go on to an endpoint that the
	// operator drains, or that was removed. 0: they are cut at once.
	DrainingTimeout time.Duration
	// Strong says that sessions stay with an endpoint whose group others took over
	// from, so that what there is on it goes on as well, unless CutOnFailover.
	Strong bool
	// KeepSessions says that sessions stay with an endpoint that the operator drains.
	// Then it is they who end its drain, and the operator, and no timeout.
	KeepSessions bool
	// GroupDraining has longer ones, by group: where services share a group the
	// longest of theirs counts (spec.md §9.1).
	GroupDraining map[string]time.Duration
	// CutOnFailover cuts connections at once when traffic fails over to other
	// groups, or back. Otherwise they have [FailoverDraining] to end.
	CutOnFailover bool
	// PerSession says that what is tracked is a client as the affinity sees it, not
	// a connection (PER_SESSION): all that it sends goes to one endpoint while any
	// of it lasts, and for IdleTimeout thereafter.
	PerSession bool
	// IdleTimeout is how long what is tracked lasts without traffic.
	IdleTimeout time.Duration
}

// FailoverDraining is how long connections to the groups that were used before a
// failover may go on (spec.md §9.3).
const FailoverDraining = 10 * time.Minute

// TrackingMode says what a tracked session is: all that has the affinity's tuple
// in common, or one connection.
type TrackingMode uint8

// The modes.
const (
	PerConnection TrackingMode = iota // PER_CONNECTION: by the 5-tuple, the default
	PerSession                        // PER_SESSION: by what the affinity looks at
)

// Persistence is connection_persistence_on_unhealthy_backends.
type Persistence uint8

// The values.
const (
	DefaultForProtocol Persistence = iota // DEFAULT_FOR_PROTOCOL
	NeverPersist                          // NEVER_PERSIST
	AlwaysPersist                         // ALWAYS_PERSIST
)

var (
	trackingModes = [...]string{"PER_CONNECTION", "PER_SESSION"}
	persistences  = [...]string{"DEFAULT_FOR_PROTOCOL", "NEVER_PERSIST", "ALWAYS_PERSIST"}
)

// ParseTrackingMode reads a mode by its name in the file, in any case; the empty
// string is the default.
func ParseTrackingMode(s string) (TrackingMode, error) {
	i, err := indexOf("tracking_mode", trackingModes[:], s)
	return TrackingMode(i), err
}

// ParsePersistence reads a persistence by its name in the file, in any case; the
// empty string is the default.
func ParsePersistence(s string) (Persistence, error) {
	i, err := indexOf("connection_persistence_on_unhealthy_backends", persistences[:], s)
	return Persistence(i), err
}

func indexOf(key string, names []string, s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	for i, name := range names {
		if strings.EqualFold(s, name) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("proxy: %s %q: want %s", key, s, strings.Join(names, ", "))
}

// Holds reports whether connections stay with an endpoint that becomes unhealthy
// (spec.md §9.2):
//
//	                     │ PER_CONNECTION    │ PER_SESSION
//	─────────────────────┼───────────────────┼───────────────────────────────
//	DEFAULT_FOR_PROTOCOL │ TCP yes, UDP no   │ TCP if the affinity looks at all
//	                     │                   │ of the 5-tuple, UDP no
//	NEVER_PERSIST        │ no                │ no
//	ALWAYS_PERSIST       │ yes               │ an error in the file
//
// Both of TCP's protocols, TCP and SSL, are meant by TCP. HTTP's requests are
// short and their connections shared, so they end by themselves: always yes.
func (p Persistence) Holds(protocol string, mode TrackingMode, a affinity.Kind) bool {
	switch protocol {
	case "TCP", "SSL", "UDP":
	default:
		return true
	}
	switch p {
	case NeverPersist:
		return false
	case AlwaysPersist:
		return true
	}
	if protocol == "UDP" {
		return false
	}
	return mode == PerConnection || a == affinity.None || a == affinity.ClientIPPortProto
}

// A CutCause says what befell the endpoint of a connection that is cut.
type CutCause uint8

// The causes, by their names in logs and metrics.
const (
	NotCut            CutCause = iota
	EndpointUnhealthy          // endpoint_unhealthy: checks say so, and nothing persists there
	EndpointDown               // endpoint_down: the operator says so, and nothing persists there
	EndpointDrained            // endpoint_drained: the operator's drain is over
	EndpointRemoved            // endpoint_removed: it left the configuration, and its drain is over
	FailedOver                 // failed_over: other groups took over
	OperatorCut                // operator: who drained it does not want to wait
	cutCauses
)

// CutCauses names the causes as logs and metrics do.
var CutCauses = [cutCauses]string{
	"", "endpoint_unhealthy", "endpoint_down", "endpoint_drained", "endpoint_removed", "failed_over", "operator",
}

// String is the name in logs and metrics; "" for NotCut.
func (c CutCause) String() string { return CutCauses[c] }

// A Plight is what has befallen an endpoint that may have connections: since when
// each thing is so, or the zero time where it is not.
type Plight struct {
	Group string // the endpoint's

	Unhealthy  time.Time // it is known to be ill, and gets nothing new
	Down       time.Time // the operator says DOWN
	Drained    time.Time // the operator says DRAIN
	Removed    time.Time // no configuration knows it any more; the rest is as it was then
	FailedOver time.Time // others took over from its group
	CutNow     time.Time // the operator wants its connections gone, and has taken it out
}

// Judge says when an endpoint's connections are to be cut and for which cause, or
// NotCut. relief says that somebody well gets the service's traffic: without it
// nothing is diverted from those who are ill, because there is nowhere to go.
// Of several things that have befallen an endpoint the one that ends first counts.
func (t *Tracking) Judge(p Plight, relief bool) (CutCause, time.Time) {
	var cause CutCause
	var at time.Time
	cut := func(c CutCause, since time.Time, after time.Duration) {
		if by := since.Add(after); !since.IsZero() && (cause == NotCut || by.Before(at)) {
			cause, at = c, by
		}
	}
	if !t.Persist && relief {
		cut(EndpointDown, p.Down, 0)
		cut(EndpointUnhealthy, p.Unhealthy, 0)
	}
	draining := t.draining(p.Group)
	if !t.KeepSessions {
		cut(EndpointDrained, p.Drained, draining)
	}
	cut(EndpointRemoved, p.Removed, draining)
	if t.CutOnFailover {
		cut(FailedOver, p.FailedOver, 0)
	} else if !t.Strong {
		cut(FailedOver, p.FailedOver, FailoverDraining)
	}
	cut(OperatorCut, p.CutNow, 0)
	return cause, at
}

// draining is the draining timeout of a group.
func (t *Tracking) draining(group string) time.Duration {
	return max(t.DrainingTimeout, t.GroupDraining[group])
}
