// Package balance chooses an endpoint.
//
// A [Policy] is built from a list of candidates; the [Picker] it returns
// chooses among them, again and again, from any number of goroutines. When the
// list changes, a new picker is built and the old one is forgotten. So a policy
// knows nothing of health, draining, warm-up or limits: whoever may be picked is
// on the list with a share above 0, and whoever may not has a share of 0.
//
//	  candidates, sorted by ID                     requests
//	┌────────────────────────────┐                    │
//	│ a  weight 1  share 1       │   Policy     ┌─────▼─────┐
//	│ b  weight 2  share 1 (warm)├─────────────►│  Picker   ├──► *Endpoint
//	│ c  weight 1  share 0 (out) │    build     │  choose   │
//	└────────────────────────────┘  ms, on a    └───────────┘
//	                                 change      ns, no lock, no allocation
//
// Which one to use:
//
//	ROUND_ROBIN      everybody in turn, by weight, as evenly as can be    the default
//	LEAST_REQUEST    the emptier of a few; for requests of uneven cost
//	RANDOM           by weight; for many balancers in front of few endpoints
//	MAGLEV           by key, evenly; a change moves a few keys more than it must
//	WEIGHTED_MAGLEV  MAGLEV for weights that the endpoints report
//	RING_HASH        by key, less evenly; a change moves only the keys it must
//
//	WEIGHTED_ROUND_ROBIN  ROUND_ROBIN for weights that load reports give
//	ORIGINAL_DESTINATION  the endpoint that the client has dialed; for clients that
//	                      were redirected to the proxy
//
// MAGLEV, WEIGHTED_MAGLEV and RING_HASH hash: equal keys go to equal endpoints, in this process and in
// any other that has the same list (testdata has vectors to check another
// implementation by). They lay their table over every configured endpoint, also
// those that are out, and hand on the slots of the latter: an outage moves
// nobody else's key, and when it ends everything is as before. Pickers of one list
// share what was laid, so that a step of a warm-up lays nothing. This is soft
// affinity still; a change of the list itself moves keys, and [Moved] and [Flows] tell
// before it is made which part of them.
//
// Try asks for alternatives. A caller that must not use its first answer, since
// it was tried or is full, asks for Try 1, 2, … until nil:
//
//	for try := 0; ; try++ {
//		e := picker.Pick(balance.Request{Key: key, Keyed: true, Try: try})
//		if e == nil || e.Load.Acquire(e.Max) {
//			return e
//		}
//	}
//
// The package has no goroutine, clock, lock or socket. Package balancetest has
// the suite that every policy passes, for policies of your own too.
package balance
