package admin

import "github.com/spillway-lb/spillway/lb"

// QueueStatus is what a service's circuit breakers have come to.
type QueueStatus struct {
	Limits Limits `json:"limits"`
	// Active is how many requests, connections or sessions count for max_connections
	// and max_requests now, Queued how many wait, and QueuedTotal how many ever did.
	Active      int64  `json:"active"`
	Queued      int64  `json:"queued"`
	QueuedTotal uint64 `json:"queued_total"`
	// Overloaded: the queue has not been empty for so long that the newest goes first.
	Overloaded bool `json:"overloaded"`
}

// Limits are those of the file that bound who waits, and for what; 0 is none.
type Limits struct {
	MaxConnections     int64 `json:"max_connections"`
	MaxPendingRequests int64 `json:"max_pending_requests"`
	MaxRequests        int64 `json:"max_requests"`
	// PendingTimeout is in seconds.
	PendingTimeout float64 `json:"pending_timeout"`
}

func viewQueue(q *lb.QueueStatus) *QueueStatus {
	if q == nil {
		return nil
	}
	return &QueueStatus{
		Limits: Limits{
			MaxConnections:     q.Limits.MaxConnections,
			MaxPendingRequests: q.Limits.MaxPendingRequests,
			MaxRequests:        q.Limits.MaxRequests,
			PendingTimeout:     q.Limits.PendingTimeout.Seconds(),
		},
		Active: q.Active, Queued: q.Queued, QueuedTotal: q.QueuedTotal,
		Overloaded: q.Overloaded,
	}
}
