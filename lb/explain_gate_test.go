package lb_test

import (
	"testing"
	"testing/synctest"

	"github.com/spillway-lb/spillway/lb"
)

// Who waits for anybody goes before who comes, so that explain, too, has to say so.
func TestExplainIsRefusedWherePickIs(t *testing.T) {
	for name, c := range map[string]struct {
		breakers lb.CircuitBreakers
		max      int64
		held     int
		waits    bool
		refused  lb.Limit
		ok       bool
	}{
		"with room":               {breakers: lb.CircuitBreakers{MaxConnections: 3, MaxRequests: 3}, held: 2, ok: true},
		"max_connections":         {breakers: lb.CircuitBreakers{MaxConnections: 2}, held: 2, refused: lb.MaxConnections},
		"max_requests":            {breakers: lb.CircuitBreakers{MaxRequests: 2}, held: 2, refused: lb.MaxRequests},
		"max":                     {breakers: lb.CircuitBreakers{MaxRequests: 9}, max: 2, held: 2, refused: lb.EndpointsAtMax},
		"others wait, for max":    {breakers: lb.CircuitBreakers{MaxRequests: 9}, max: 2, held: 2, waits: true, refused: lb.EndpointsAtMax},
		"others wait, for places": {breakers: lb.CircuitBreakers{MaxConnections: 2}, held: 2, waits: true, refused: lb.EndpointsAtMax},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBalancer(t, breakers(c.breakers, one("a", c.max)))
				l := newLine(t, b)
				for range c.held {
					l.leases = append(l.leases, pick(t, b, lb.Request{}))
				}
				if c.waits {
					l.join("waiting")
				}
				x := b.Explain(lb.Request{})
				if x.Queue == nil || x.Queue.Active != int64(c.held) || x.Queue.Limits.MaxRequests != c.breakers.MaxRequests {
					t.Errorf("the limits: %+v", x.Queue)
				}
				if c.ok {
					if x.Endpoint == nil || x.Err != nil {
						t.Errorf("%v, %v", x.Endpoint, x.Err)
					}
				} else {
					if x.Endpoint != nil || lb.LimitOf(x.Err) != c.refused || x.How != lb.NotFound {
						t.Errorf("%v, %v; want nobody, for %v", x.Endpoint, x.Err, c.refused)
					}
					refusedFor(t, b, c.refused)
				}
				for len(l.leases) > 0 {
					l.next()
				}
			})
		})
	}
	if x := newBalancer(t, lb.Options{Endpoints: named("a")}).Explain(lb.Request{}); x.Queue != nil {
		t.Errorf("limits where there are none: %+v", x.Queue)
	}
}
