package discovery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// An Endpoint is one that a source has found. Endpoints can be compared.
type Endpoint struct {
	// ID is a stable name. Default: Addr.
	ID string
	// Addr is "host:port" or "unix:/path"; without a port where the source knows
	// none.
	Addr string
	// Weight is the share of traffic compared with others, 0 to 1000; 0 takes no new
	// traffic.
	Weight uint32
	// Max is the most leases at once; 0: no limit.
	Max int64
	// Priority says who goes first: one of a higher number is used while nobody of
	// a lower one is well (RFC 2782).
	Priority uint16
}

// An Answer is what a source says once.
type Answer struct {
	// Endpoints are in any order, each ID once.
	Endpoints []Endpoint
	// TTL is for how long that is good. 0 on an error: for the watcher to say.
	TTL time.Duration
	// Unchanged: the source knows that it has nothing new to say, and left
	// Endpoints out.
	Unchanged bool
	// Warning is what is odd, and can be lived with; "" if nothing is.
	Warning string
}

// A Source answers where a group's endpoints are.
type Source interface {
	// Look asks once. It takes a few seconds at most, less if ctx ends. An error is
	// ErrNobody, as it is or wrapped, if the source says that there is nobody; else the
	// source could not be asked, or cannot be understood. A source is asked by one
	// goroutine at a time.
	Look(ctx context.Context) (Answer, error)
	// String says what is asked, for logs.
	String() string
}

// ErrNobody is a source's word that there are no endpoints.
var ErrNobody = errors.New("nobody is there")

// Sort sorts endpoints by priority and then by ID, as a Watcher does, and fills in
// IDs.
func Sort(all []Endpoint) {
	for i := range all {
		if all[i].ID == "" {
			all[i].ID = all[i].Addr
		}
	}
	slices.SortFunc(all, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), strings.Compare(a.ID, b.ID))
	})
}
