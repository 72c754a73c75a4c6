package health

import (
	"context"
	"fmt"
	"time"
)

// Result is the end of one check.
type Result struct {
	OK      bool
	Timeout bool   // it failed because nothing came in time
	Reason  string // why it failed, short and for people, such as "connection refused"; empty when OK
	Took    time.Duration

	// Inconclusive says that the check failed on our side, for want of file descriptors or memory, and so says nothing
	// about the endpoint. Without it a proxy that runs out of descriptors would declare every endpoint dead.
	Inconclusive bool

	// Weight is what the reply said of the endpoint's weight.
	Weight Weight
}

// Checker makes one attempt at a time to find out whether an endpoint is well. Check may block, but not beyond the
// timeout of its [Check] or the end of ctx, and when it returns everything it started is gone. It is safe for
// concurrent use: one Checker serves all endpoints of a service. addr is "host:port" or "unix:/path".
type Checker interface {
	Check(ctx context.Context, addr string) Result
}

// NewChecker returns the checker of c's type, or what [Check.Validate] says against c. A named port must have been
// resolved, see [Check.ResolvePort].
func NewChecker(c Check) (Checker, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.WithDefaults()
	switch {
	case c.PortSpecification == UseNamedPort:
		return nil, fmt.Errorf("health: nobody has said which port %q is; see Check.ResolvePort", c.PortName)
	case c.Type == TypeHTTP2:
		return &http2Checker{c}, nil
	case c.asksHTTP():
		return &httpChecker{c}, nil
	case c.asksGRPC():
		return &grpcChecker{c}, nil
	}
	return &tcpChecker{c}, nil
}
