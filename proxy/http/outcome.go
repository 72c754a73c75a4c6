package http

import (
	"fmt"

	"github.com/spillway-lb/spillway/lb"
)

// endLease ends the lease, if there is one.
func (x *exchange) endLease(o lb.Outcome, reason string) {
	if x.lease.Endpoint != nil {
		x.lease.DoneFor(o, reason)
		x.lease = lb.Lease{}
	}
}

// endAnswered ends the lease of an endpoint that has answered with this status.
func (x *exchange) endAnswered(status int) {
	if status < 500 {
		x.endLease(lb.Success, "")
	} else {
		x.endLease(outcomeOf(status), serverErrors[min(status, 599)-500])
	}
}

// outcomeOf judges a complete response: a 5xx is the endpoint's failure, and one of
// those that gateways give says that what is behind it is not there (spec.md §10.4).
func outcomeOf(status int) lb.Outcome {
	switch {
	case status < 500:
		return lb.Success
	case 502 <= status && status <= 504:
		return lb.GatewayFailure
	default:
		return lb.Failure
	}
}

// serverErrors are the reasons for which such leases end, made once.
var serverErrors = func() (all [100]string) {
	for i := range all {
		all[i] = fmt.Sprintf("status %d", 500+i)
	}
	return all
}()
