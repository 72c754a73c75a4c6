// Package health finds out whether endpoints are well, and says so (spec.md §8). It knows nothing of services,
// balancing or traffic: who is checked, and what follows from the answer, is the caller's business.
//
//	            ┌───────────── Prober.Run, one for all endpoints ─────────────┐
//	Add(check, ─►│ who is due? ──► Checker.Check ──► Result ──► Machine ──► Event ─┼─► report, to
//	 addr)      │  a heap         a few at once      pure       pure           │   all who watch
//	            │   ▲                                                          │
//	            │   └────────── interval ± 10 %, start to start ───────────────┘
//	            └──────────────────────────────────────────────────────────────┘
//
// Who asks the same of the same address shares the probes of a [Prober]. [Watch] is the same for one endpoint, in the
// caller's goroutine.
//
// # The machine
//
// One [Machine] per check and endpoint: two checks of one address know nothing of each other.
//
//	             one success                   unhealthy_threshold
//	┌─────────┐  is enough    ┌─────────┐      failures in a row      ┌───────────┐
//	│ UNKNOWN │──────────────►│ HEALTHY │────────────────────────────►│ UNHEALTHY │
//	└─────────┘               └─────────┘                             ├───────────┤
//	     │                         ▲      healthy_threshold           │  TIMEOUT  │
//	     │                         │      successes in a row          └───────────┘
//	     │                         └────────────────────────────────────────┘ ▲
//	     └──── unhealthy_threshold failures in a row ─────────────────────────┘
//
// It is TIMEOUT when the last of these failures was a timeout and UNHEALTHY otherwise, and stays what it is until
// HEALTHY. One opposite result ends a streak. FlapDamping keeps who falls often down for longer each time. A check that failed for our own want of descriptors counts for nothing.
// With the defaults a dead endpoint is found out within 10 to 15 seconds:
// check_interval × (unhealthy_threshold − 1) + timeout + what was left of the interval.
//
// # The checks
//
// Every check has a connection of its own, from the address that traffic comes from, closed when it is done; a check
// never outlives its timeout and never leaves a goroutine behind. Refusal and reset fail at once.
//
//	TCP   connecting is enough; with request and response: send, then compare as many bytes as response has
//	HTTP  GET, and the whole response in time, with status exactly 200; no redirect is followed; with response:
//	      found in the first 1024 bytes of the body. "Whole" ends at 64 KiB of body: more is not read, so that an
//	      endless body is no failure and no burden
//	SSL   a TLS handshake, then as TCP; HTTPS: a TLS handshake, then as HTTP. The endpoint's certificate must be
//	      good where Check.TLS says whom to believe; else any will do
//	HTTP2 as HTTPS, by HTTP/2; GRPC, GRPC_WITH_TLS: grpc.health.v1.Health/Check answers SERVING
//
// With TLS 1.3 an endpoint that wants another client certificate than it got says so after the handshake: an SSL check
// finds that out only if it asks for a response.
//
// A reply to an HTTP check may carry a [Weight]. It comes with the [Result], and what it is good for is, again, the
// caller's business.
//
// Programs can bring a [Checker] of their own to [WatchWith].
//
// # Load reports
//
// How busy an endpoint is it says itself, in a [LoadReport]: in fields of its responses, which a [LoadReader] reads.
// A [LoadWeighting] says which weight follows from it, and a [LoadWeight] whether that counts by now.
// Those that come beside responses are the business of the packages orca and poll below this one.
package health
