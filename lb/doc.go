// Package lb chooses endpoints for one service: it keeps the truth about them,
// publishes it as an immutable snapshot, and hands out leases.
//
//	SetOptions, SetEndpoints ─┐                           Pick ─► Lease ─► Done
//	SetAdmin ─────────────────┤ inbox ─► writer ─► state ─►  ▲                │
//	health.Watch (Run) ───────┘           │                  │                │
//	                            eligible (pure)              │                ▼
//	                                      └─► policy ─► *Snapshot     balance.Load
//
// A pick reads one pointer, asks the policy's picker and takes a lease by an
// atomic addition: no lock, no allocation. Everything that decides who may be
// picked, and that is where balancers have their bugs, is one pure function that
// runs when something changes.
//
// Where groups have a Capacity, a pick first takes a place in a group, from the
// nearest to the farthest, and each group has a picker of its own. What was used of
// a rate is counted by the clock, at which most picks need not look. Run does Sweep
// once a second: it measures what groups use and learns from load reports.
//
// Where a service has CircuitBreakers, leases are counted for all of it, too, and who
// comes when everything is taken may wait: Wait does so in the caller's goroutine,
// Enqueue without one. The end of a lease serves who waits.
//
// With SlowStart endpoints that join or come back get a part of their weight that
// grows. Where too few are healthy there is a panic, and PanicMode says what follows.
//
// A Balancer can be used as soon as New returns. Run adds health checks:
//
//	b, err := lb.New(lb.Options{Endpoints: endpoints, HealthCheck: &health.Check{Type: health.TypeTCP}})
//	go b.Run(ctx)
//	…
//	lease, err := b.Pick(ctx, lb.Request{})
//	err = call(lease.Endpoint.Addr)
//	lease.Done(outcome)
//
// A lease must end, with one of three outcomes: Success, Failure, and Neutral
// for what was not the endpoint's fault. A client that leaves is Neutral.
package lb
